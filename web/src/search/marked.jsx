// A text in which the words that were searched stand out.

const escape = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

export function Marked({ text, query }) {
  const words = query.split(/\s+/).filter(Boolean);
  if (!words.length) return text;
  const pieces = text.split(new RegExp(`(${words.map(escape).join('|')})`, 'gi'));
  return pieces.map((piece, i) => (i % 2 ? <mark key={i}>{piece}</mark> : piece));
}
