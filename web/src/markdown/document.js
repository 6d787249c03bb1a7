// The blocks of a text that grows. Only its end is read again when something is added; blocks that have not changed keep
// their identity, so that only what changed is shown anew.
import { lex } from './lexer.js';
import { pieces } from './pieces.js';

/** The last blocks may still change their meaning: a list takes more items, a paragraph becomes a table. */
const OPEN_BLOCKS = 2;

export class MarkdownDocument {
  blocks = [];
  #text = '';
  #links = {};

  /** Takes the whole text so far. `complete`: nothing will be added. Then a text with definitions of links is read once
   * more from its beginning: they may have come after their use. */
  update(text, complete) {
    const normalized = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
    const grown = normalized.startsWith(this.#text);
    if (complete && Object.keys(this.#links).length) {
      this.blocks = [];
      this.#replaceFrom(0, normalized);
    } else if (normalized !== this.#text) {
      this.#replaceFrom(grown ? Math.max(0, this.blocks.length - OPEN_BLOCKS) : 0, normalized);
    }
    this.#text = normalized;
    return this.blocks;
  }

  #replaceFrom(index, text) {
    const kept = this.blocks.slice(0, index);
    const offset = kept.reduce((sum, block) => sum + block.length, 0);
    const tokens = withLengths(lex(text.slice(offset), this.#links));
    if (tokens.length && kept.at(-1)?.goesOn) tokens[0].continues = true;
    const fresh = tokens.flatMap(pieces);
    const old = this.blocks.slice(index);
    this.blocks = [...kept, ...fresh.map((block, i) => reused(old[i], block))];
  }
}

/** The known block if nothing of it is new; what follows it may have become longer. */
function reused(old, fresh) {
  return isSame(old, fresh) ? Object.assign(old, { length: fresh.length, goesOn: fresh.goesOn }) : fresh;
}

const isSame = (a, b) => a && a.raw === b.raw && a.type === b.type && a.start === b.start && a.continues === b.continues;

/** Gives each block the length of its source, the empty lines after it included. */
function withLengths(tokens) {
  const blocks = [];
  for (const token of tokens) {
    if (token.type === 'space' && blocks.length) {
      blocks.at(-1).length += token.raw.length;
    } else {
      blocks.push(Object.assign(token, { length: token.raw.length }));
    }
  }
  return blocks;
}
