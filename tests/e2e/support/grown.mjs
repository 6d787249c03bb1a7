// Databases that have grown: rows by the thousand, written by SQL while no server runs. The numbers
// that are kept beside the rows are written with them.
import assert from 'node:assert/strict';
import { psql } from './databases.mjs';
import { tidetalk } from './server.mjs';

/** All statements or none. */
export async function writeSql(home, ...statements) {
  const list = statements.map((sql) => `{[[${sql}]]}`).join(',');
  const { code, stdout, stderr } = await tidetalk(home, ['repl', '--write'], {
    input: `select("#", assert(db.write({${list.replaceAll(/\s*\n\s*/g, ' ')}})))\n`,
  });
  assert.equal(code, 0, stdout + stderr);
}

/** An SQL expression's value in a copy of a running server's database. */
export async function readSql(home, expression) {
  if (home.database.name) return psql(home.database.name, `SELECT ${expression}`);
  const { stdout } = await tidetalk(home, ['repl'], {
    input: `db.one([[SELECT ${expression} AS value]]).value\n`.replaceAll(/\s*\n\s*(?=.)/g, ' '),
  });
  return stdout.trim();
}

/** Numbers as rows, for `SELECT … i … FROM n`. */
export const numbers = (from, to) =>
  `WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${to})`;

export const rowOf = (session) => `(SELECT id FROM chat_sessions WHERE session_id = '${session}')`;

/** Messages number `from` to `to` of a session, one after the other; their ids are `first` + 2 i. */
export const messages = (user, session, first, from, to) => [
  `${numbers(from, to)} INSERT INTO chat_messages
     (id, user_id, session_row, parent_id, role, content, created_at, updated_at)
   SELECT ${first} + 2 * i, ${user}, ${rowOf(session)}, CASE WHEN i > 1 THEN ${first} + 2 * i - 2 END,
     CASE i % 2 WHEN 1 THEN 'user' ELSE 'assistant' END, 'number ' || i || ' "潮"', 't', 't' FROM n`,
];

/** Files f1 to f<count>; the i-th has a text of i % 1000 characters, and a byte on no disk. */
export const files = (user, session, prefix, count) => [
  `${numbers(1, count)} INSERT INTO uploaded_files
     (user_id, session_row, file_name, file_key, file_size, file_type, content, created_at, updated_at)
   SELECT ${user}, ${rowOf(session)}, 'f' || i, '${prefix}' || i, 1, '.txt',
     substr('${'x'.repeat(1000)}', 1, i % 1000), 't', 't' FROM n`,
  `UPDATE chat_sessions SET file_count = file_count + ${count} WHERE session_id = '${session}'`,
  `UPDATE users SET file_bytes = file_bytes + ${count} WHERE id = ${user}`,
];

export const sessions = (user, from, to) => [
  `${numbers(from, to)} INSERT INTO chat_sessions (session_id, user_id, title, model_name, created_at, updated_at)
   SELECT 'grown-${user}-' || i, ${user}, 'Session ' || i, 'demo', '2026', printf('%010d', i) FROM n`,
  `UPDATE users SET session_count = session_count + ${to - from + 1} WHERE id = ${user}`,
];

export const users = (from, to) => [
  `${numbers(from, to)} INSERT INTO users (username, password_hash, created_at, updated_at)
   SELECT 'grown-' || i, '', 't', 't' FROM n`,
];
