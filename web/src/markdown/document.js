// The blocks of a text that grows. Only its end is read again when something is added; blocks that have not changed keep
// their identity, so that only what changed is shown anew.
import { lex } from './lexer.js';

/** The last blocks may still change their meaning: a list takes more items, a paragraph becomes a table. */
const OPEN_BLOCKS = 2;
/** Long lists are cut into pieces, so that their beginnings are settled. */
const ITEMS_IN_PIECE = 40;

export class MarkdownDocument {
  blocks = [];
  #text = '';
  #links = {};

  /** Takes the whole text so far. `complete`: nothing will be added, so everything is read once more: definitions of
   * links may have come after their use. */
  update(text, complete) {
    const normalized = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
    if (complete) {
      this.#replaceFrom(0, normalized, true);
    } else if (normalized !== this.#text) {
      const grown = normalized.startsWith(this.#text);
      this.#replaceFrom(grown ? Math.max(0, this.blocks.length - OPEN_BLOCKS) : 0, normalized, false);
    }
    this.#text = normalized;
    return this.blocks;
  }

  #replaceFrom(index, text, complete) {
    const kept = this.blocks.slice(0, index);
    const offset = kept.reduce((sum, block) => sum + block.length, 0);
    const fresh = withLengths(lex(text.slice(offset), this.#links)).flatMap(pieces);
    const old = complete && Object.keys(this.#links).length ? [] : this.blocks.slice(index);
    this.blocks = [...kept, ...fresh.map((block, i) => reused(old[i], block))];
  }
}

/** The known block if nothing of it is new; what follows it may have become longer. */
function reused(old, fresh) {
  return isSame(old, fresh) ? Object.assign(old, { length: fresh.length }) : fresh;
}

const isSame = (a, b) => a && a.raw === b.raw && a.type === b.type && a.start === b.start;


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

function pieces(block) {
  if (block.type === 'list' && block.items.length > ITEMS_IN_PIECE) return listPieces(block);
  return [block];
}

function listPieces(list) {
  const found = [];
  let rest = list.length;
  for (let i = 0; i < list.items.length; i += ITEMS_IN_PIECE) {
    const items = list.items.slice(i, i + ITEMS_IN_PIECE);
    const raw = items.map((item) => item.raw).join('');
    const isLast = i + ITEMS_IN_PIECE >= list.items.length;
    const length = isLast ? rest : raw.length;
    rest -= length;
    found.push({ ...list, items, raw, length, start: list.ordered ? Number(list.start) + i : '' });
  }
  return found;
}
