// Math as models write it: $…$, $$…$$, \(…\), \[…\].

const BLOCK = /^ {0,3}(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])[ \t]*(?:\n+|$)/;
const DISPLAY = /^(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])/;
const PAREN = /^\\\(([^\n]+?)\\\)/;
/** No blank inside the dollars, no digit after them: "$5 and $6" is about money. */
const DOLLAR = /^\$(?![\s$])((?:\\[^]|[^\\$\n])+?)(?<![\s\\])\$(?!\d)/;

/** Where something begins within the paragraph at hand: looking further would read the whole text once per paragraph. */
export function startInParagraph(source, pattern) {
  const end = source.indexOf('\n\n');
  return (end < 0 ? source : source.slice(0, end)).match(pattern)?.index;
}

export const blockMath = {
  name: 'block_math',
  level: 'block',
  start: (source) => startInParagraph(source, /^ {0,3}(?:\$\$|\\\[)/m),
  tokenizer(source) {
    const match = BLOCK.exec(source);
    if (!match) return undefined;
    return { type: 'math', raw: match[0], text: (match[1] ?? match[2]).trim(), display: true };
  },
};

export const inlineMath = {
  name: 'inline_math',
  level: 'inline',
  start: (source) => source.match(/\$|\\[([]/)?.index,
  tokenizer(source) {
    const display = DISPLAY.exec(source);
    const match = display ?? PAREN.exec(source) ?? DOLLAR.exec(source);
    if (!match) return undefined;
    return { type: 'math', raw: match[0], text: (match[1] ?? match[2]).trim(), display: Boolean(display) };
  },
};
