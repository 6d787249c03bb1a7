// Tokens inside of a line. HTML in a reply is shown as the text that it is.
import { decodeEntities } from './entities.js';
import { FootnoteReference } from './footnote_list.jsx';
import { Image } from './image.jsx';
import { safeAddress } from './links.js';
import { Formula } from './formula.jsx';

/** Chinese has no italics; it puts dots under the characters. */
const HAN = /\p{Script=Han}/u;
const LINE_BREAK = /^<br\s*\/?>$/i;

function Link({ token }) {
  const href = safeAddress(token.href);
  const content = <Inline tokens={token.tokens} />;
  if (!href) return <span>{content}</span>;
  return <a href={href} target="_blank" rel="noopener noreferrer nofollow">{content}</a>;
}

const KINDS = {
  text: (token) => (token.tokens ? <Inline tokens={token.tokens} /> : decodeEntities(token.text)),
  escape: (token) => token.text,
  strong: (token) => <strong><Inline tokens={token.tokens} /></strong>,
  em: (token) => <em class={HAN.test(token.text) ? 'han' : undefined}><Inline tokens={token.tokens} /></em>,
  del: (token) => <del><Inline tokens={token.tokens} /></del>,
  codespan: (token) => <code>{token.text}</code>,
  br: () => <br />,
  html: (token) => (LINE_BREAK.test(token.raw) ? <br /> : token.raw),
  link: (token) => <Link token={token} />,
  image: (token) => <Image token={token} />,
  math: (token) => <Formula source={token.text} display={token.display} />,
  footnote_reference: (token) => <FootnoteReference token={token} />,
};

export function Inline({ tokens }) {
  return tokens.map((token) => (KINDS[token.type] ? KINDS[token.type](token) : token.raw));
}
