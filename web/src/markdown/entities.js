// Character references in Markdown. The named ones that occur in prose; others stay as they are written.
const NAMED = {
  __proto__: null,
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', ensp: '\u2002', emsp: '\u2003', thinsp: '\u2009',
  copy: '©', reg: '®', trade: '™', deg: '°', middot: '·', bull: '•', hellip: '…', ndash: '–', mdash: '—', lsquo: '‘',
  rsquo: '’', ldquo: '“', rdquo: '”', laquo: '«', raquo: '»', times: '×', divide: '÷', plusmn: '±', minus: '−', le: '≤',
  ge: '≥', ne: '≠', larr: '←', rarr: '→', uarr: '↑', darr: '↓', harr: '↔', euro: '€', pound: '£', yen: '¥', sect: '§',
  para: '¶', infin: '∞', shy: '\u00ad', zwj: '\u200d', zwnj: '\u200c',
};

function numeric(body) {
  const code = /^x/i.test(body) ? parseInt(body.slice(1), 16) : parseInt(body, 10);
  return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : '\ufffd';
}

export function decodeEntities(text) {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(x[\da-f]{1,6}|\d{1,7})|([a-z]{2,8}));/gi, (whole, number, name) => (
    number ? numeric(number) : NAMED[name] ?? whole));
}
