// The SQL that stands in the product's sources: core/**/*.c but the engines' own, and lua/**/*.lua.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../e2e/support/process.mjs';

const BEGINS = /^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s/;
const HOLE = '\0'; // what only the running program knows

/** Tokens {kind: 'text' | 'word', value, at} of C (`c`) or Lua; comments are left out. */
function tokensOf(source, isC) {
  const tokens = [];
  const patterns = isC
    ? [/\/\*[\s\S]*?\*\/|'(?:[^'\\]|\\.)'|\\\n/y, /"((?:[^"\\\n]|\\.)*)"/y, /[A-Za-z_]\w*|#define|\S/y]
    : [/--\[\[[\s\S]*?\]\]|--.*/y, /"((?:[^"\\]|\\[\s\S])*)"|'((?:[^'\\]|\\[\s\S])*)'|\[\[\n?([\s\S]*?)\]\]/y,
      /[A-Za-z_][\w.]*|\.\.|\S/y];
  for (let at = 0; at < source.length;) {
    let end = at + 1;
    for (const [kind, pattern] of [['comment', patterns[0]], ['text', patterns[1]], ['word', patterns[2]]]) {
      pattern.lastIndex = at;
      const found = pattern.exec(source);
      if (!found) continue;
      const value = kind === 'text'
        ? (found[1] ?? found[2] ?? found[3]).replaceAll('\\"', '"').replaceAll("\\'", "'").replaceAll('\\n', '\n')
        : found[0];
      if (kind !== 'comment') tokens.push({ kind, value, at });
      end = at + found[0].length;
      break;
    }
    at = end;
  }
  return tokens;
}

/** The end of a call's or an index's brackets that begin at `i`; `i` if none do. */
function skipBrackets(tokens, i) {
  if (tokens[i]?.kind !== 'word' || !'([{'.includes(tokens[i].value)) return i;
  let depth = 0;
  do {
    if (tokens[i].kind === 'word' && '([{'.includes(tokens[i].value)) depth += 1;
    if (tokens[i].kind === 'word' && ')]}'.includes(tokens[i].value)) depth -= 1;
    i += 1;
  } while (depth > 0 && i < tokens.length);
  return i;
}

/** The text that begins at token `i`: pieces in a row (C), or joined by ".." (Lua). {text, end} */
function textAt(tokens, i, isC, constants) {
  let text = '';
  for (;;) {
    const token = tokens[i];
    if (token?.kind === 'text') text += token.value;
    else if (token && constants.has(token.value)) text += constants.get(token.value);
    else if (isC) return { text, end: i };
    else text += HOLE;
    i = isC ? i + 1 : skipBrackets(tokens, i + 1);
    if (!isC && tokens[i]?.value !== '..') return { text, end: i };
    if (!isC) i += 1;
  }
}

/** Named texts of a file: #define NAME "…", local NAME = "…". */
function constantsOf(tokens, isC) {
  const constants = new Map();
  for (let i = 0; i + 2 < tokens.length; i += 1) {
    const [first, name, third] = tokens.slice(i, i + 3);
    const defines = isC ? first.value === '#define' : first.value === 'local' && third.value === '=';
    const begin = isC ? i + 2 : i + 3;
    const value = tokens[begin];
    if (defines && (value?.kind === 'text' || constants.has(value?.value))) {
      constants.set(name.value, textAt(tokens, begin, isC, constants).text);
    }
  }
  return constants;
}

function statementsOf(path) {
  const isC = path.endsWith('.c');
  const source = readFileSync(join(ROOT, path), 'utf8');
  const tokens = tokensOf(source, isC);
  const constants = constantsOf(tokens, isC);
  const statements = [];
  for (let i = 0; i < tokens.length; i += 1) {
    if (tokens[i].value === '#define') { // it is looked at where it is used
      i = textAt(tokens, i + 2, isC, constants).end - 1;
      continue;
    }
    const begins = tokens[i].kind === 'text' || constants.has(tokens[i].value);
    const { text, end } = begins ? textAt(tokens, i, isC, constants) : {};
    if (!text || !BEGINS.test(text)) continue;
    const line = source.slice(0, tokens[i].at).split('\n').length;
    // A format's %s is a hole as well, and so is what is appended to a beginning.
    const sql = text.replace(/%(\.\*)?[sd]/g, HOLE).replace(/[\s(]$/, `$&${HOLE}`).trim();
    statements.push({ place: `${path}:${line}`, sql });
    i = end - 1;
  }
  return statements;
}

/** {place, sql} of every statement; `pattern` matches it where parts are made at run time. */
export function statementsOfSources() {
  const files = [...['core', 'lua'].flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true })
    .map((name) => join(folder, name)))].sort();
  const found = files
    .filter((path) => (/^core\/.*\.c$/.test(path) && !/^core\/(db\/(sqlite|postgres)|cache\/)/.test(path))
      || /^lua\/.*\.lua$/.test(path))
    .flatMap(statementsOf)
    .map(({ place, sql }) => (sql.includes(HOLE)
      ? { place, sql: sql.replaceAll(HOLE, '…'), pattern: patternOf(sql) } : { place, sql }));
  return [...new Map(found.map((each) => [each.sql, each])).values()];
}

/** Of the statement as it is sent: `?` may have got numbers, blanks are blanks. */
function patternOf(sql) {
  const literal = (text) => text.replace(/[.*+^${}()|[\]\\]/g, '\\$&').replace(/\?\d*/g, '\\$\\d+').replace(/\s+/g, '\\s+');
  return new RegExp(`^${sql.split(HOLE).map(literal).join('[\\s\\S]*')}`);
}

/** `?` and `?1` as PostgreSQL's $1; texts are left alone. */
export function numbered(sql) {
  let largest = 0;
  return sql.replace(/'(?:[^']|'')*'|\?(\d*)/g, (found, number) => {
    if (found[0] === "'") return found;
    const own = number ? Number(number) : largest + 1;
    largest = Math.max(largest, own);
    return `$${own}`;
  });
}
