// Footnotes: [^label] in the text, and `[^label]: …` on a line of its own.
import { startInParagraph } from './math_syntax.js';

const DEFINITION = /^\[\^([^\]\s]{1,60})\]:[ \t]*([^\n]*(?:\n(?:[ \t]{2,}[^\n]+|[ \t]*(?=\n[ \t]{2,}\S)))*)(?:\n+|$)/;
const REFERENCE = /^\[\^([^\]\s]{1,60})\](?!:)/;

export const footnoteDefinition = {
  name: 'footnote_definition',
  level: 'block',
  start: (source) => startInParagraph(source, /^\[\^/m),
  tokenizer(source) {
    const match = DEFINITION.exec(source);
    if (!match) return undefined;
    const text = match[2].replace(/^[ \t]+/gm, '');
    return { type: 'footnote', raw: match[0], label: match[1], tokens: this.lexer.inlineTokens(text, []) };
  },
};

export const footnoteReference = {
  name: 'footnote_reference',
  level: 'inline',
  start: (source) => source.indexOf('[^'),
  tokenizer(source) {
    const match = REFERENCE.exec(source);
    return match ? { type: 'footnote_reference', raw: match[0], label: match[1] } : undefined;
  },
};

const labelsIn = (raw) => [...raw.matchAll(/\[\^([^\]\s]{1,60})\](?!:)/g)].map((match) => match[1]);

/** The footnotes of a text in the order in which they are referred to: {label, number, tokens}. */
export function numberFootnotes(blocks) {
  const definitions = new Map();
  for (const block of blocks) {
    if (block.type === 'footnote' && !definitions.has(block.label)) definitions.set(block.label, block.tokens);
  }
  if (!definitions.size) return [];
  const labels = new Set();
  for (const block of blocks) {
    for (const label of labelsIn(block.raw)) if (definitions.has(label)) labels.add(label);
  }
  return [...labels].map((label, i) => ({ label, number: i + 1, tokens: definitions.get(label) }));
}
