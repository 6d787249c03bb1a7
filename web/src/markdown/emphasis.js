// `**“中文。”**后面` is no emphasis by CommonMark's rules, which look for blanks around punctuation; Chinese has none.
// Models write it all the time, so it is read as it is meant.

const STRONG = /^\*\*(?![\s*])((?:[^*\\\n]|\\.|\*(?!\*))+?)(?<![\s\\])\*\*(?!\*)/;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const CHINESE = /[\u2018-\u201d\u2026\u2014\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]/;

export const chineseStrong = {
  name: 'chinese_strong',
  level: 'inline',
  start: (source) => source.indexOf('**'),
  tokenizer(source) {
    const match = STRONG.exec(source);
    if (!match) return undefined;
    const [raw, text] = match;
    const next = source[raw.length] ?? '';
    const edge = PUNCTUATION.test(text[0]) || PUNCTUATION.test(text.at(-1));
    if (!edge || !CHINESE.test(text[0] + text.at(-1) + next)) return undefined; // the usual rules will do
    return { type: 'strong', raw, text, tokens: this.lexer.inlineTokens(text, []) };
  },
};
