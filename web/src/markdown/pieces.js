// Long lists and paragraphs in pieces, so that what stands at their beginning is settled while their end grows.

const ITEMS_IN_PIECE = 40;
const PIECE_MIN = 3000;
/** A place inside of a plain text where a line may end: after a sentence or a word, before a letter. */
const BREAK = /(?:[。！？]|[.!?,;:]? )(?=[\p{L}])/u;

/** The block, or its pieces. A piece has `length`, the length of its source, and `continues` when it goes on from the
 * one before; `goesOn` says so of that one. */
export function pieces(block) {
  if (block.type === 'list' && block.items.length > ITEMS_IN_PIECE) return listPieces(block);
  if (block.type === 'paragraph' && block.raw.length > 2 * PIECE_MIN) return paragraphPieces(block);
  return [block];
}

function listPieces(list) {
  const found = [];
  let rest = list.length;
  for (let i = 0; i < list.items.length; i += ITEMS_IN_PIECE) {
    const items = list.items.slice(i, i + ITEMS_IN_PIECE);
    const raw = items.map((item) => item.raw).join('');
    const length = i + ITEMS_IN_PIECE >= list.items.length ? rest : raw.length;
    rest -= length;
    found.push({ ...list, items, raw, length, start: list.ordered ? Number(list.start) + i : '' });
  }
  return found;
}

/** Where the first plain text after `from` may be cut: {index of the token, offset in it}, or null. */
function findCut(tokens, from) {
  let at = 0;
  for (const [index, token] of tokens.entries()) {
    const end = at + token.raw.length;
    if (end > from && token.type === 'text' && token.raw === token.text) {
      const start = Math.max(0, from - at);
      const match = BREAK.exec(token.raw.slice(start));
      if (match) return { index, offset: start + match.index + match[0].length };
    }
    at = end;
  }
  return null;
}

const textToken = (text) => ({ type: 'text', raw: text, text });
const sourceOf = (tokens) => tokens.map((token) => token.raw).join('');

function paragraphPieces(paragraph) {
  const found = [];
  let { tokens, length, continues } = paragraph;
  for (;;) {
    const cut = sourceOf(tokens).length > 2 * PIECE_MIN ? findCut(tokens, PIECE_MIN) : null;
    if (!cut) break;
    const { text } = tokens[cut.index];
    const head = [...tokens.slice(0, cut.index), textToken(text.slice(0, cut.offset))];
    const raw = sourceOf(head);
    found.push({ ...paragraph, tokens: head, raw, length: raw.length, continues, goesOn: true });
    tokens = [textToken(text.slice(cut.offset)), ...tokens.slice(cut.index + 1)];
    length -= raw.length;
    continues = true;
  }
  found.push({ ...paragraph, tokens, raw: sourceOf(tokens), length, continues });
  return found;
}
