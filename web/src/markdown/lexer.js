// Markdown as tokens: marked's lexer with what replies of models need besides (math, footnotes, emphasis beside Chinese
// punctuation). Only tokens: what becomes of them is decided by our own components, so no HTML is ever made.
import { Marked } from 'marked';
import { footnoteDefinition, footnoteReference } from './footnotes.js';
import { blockMath, inlineMath } from './math_syntax.js';
import { chineseStrong } from './emphasis.js';

/** Where an address in running text ends for readers of Chinese, which has no blanks around it. */
const AFTER_ADDRESS = /[\u3000-\u303f\uff00-\uffef\u2018-\u201d\u4e00-\u9fff]/;

const marked = new Marked({ gfm: true }, {
  extensions: [blockMath, inlineMath, footnoteDefinition, footnoteReference, chineseStrong],
  tokenizer: {
    url(source) {
      const at = source.search(AFTER_ADDRESS);
      if (at < 0 || !/^(https?:|www\.)/i.test(source)) return false;
      const match = /^(?:https?:\/\/|www\.)[^\s<]+/i.exec(source.slice(0, at));
      if (!match || match[0].length < at) return false;
      const text = match[0];
      const href = text.startsWith('www.') ? `http://${text}` : text;
      return { type: 'link', raw: text, text, href, tokens: [{ type: 'text', raw: text, text }] };
    },
  },
});

/** Block tokens of a text. `links`: definitions of links that are known already, added to. */
export function lex(text, links) {
  const lexer = new marked.Lexer({ ...marked.defaults });
  lexer.tokens.links = links;
  return lexer.lex(text);
}
