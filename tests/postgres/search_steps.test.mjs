// What tools did is searched as on SQLite: the same text, and replies from before are indexed again.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { LOOPBACK, startServer, tidetalk } from '../e2e/support/server.mjs';

const CASES = readFileSync(new URL('../data/search_text/cases.json', import.meta.url), 'utf8');
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

describe('the text of steps', () => {
  test('is the same, of what is no JSON too', async () => {
    const server = await startServer({ env: LOOPBACK });
    const { name } = server.home.database;
    assert.equal(psql(name, `SELECT c ->> 'name', tidetalk_search_text(c ->> 'content', c ->> 'steps')
      FROM json_array_elements(${quoted(CASES)}) AS c
      WHERE tidetalk_search_text(c ->> 'content', c ->> 'steps') IS DISTINCT FROM c ->> 'text'`), '');
    assert.equal(psql(name, "SELECT tidetalk_search_text('x', 'no { json')"), 'x\nno { json');
    await server.stop();
    server.home.remove();
  });

  test('is indexed again by the migration, and again without steps on the way back', async () => {
    const server = await startServer({ env: LOOPBACK });
    const { home } = server;
    const user = await server.user();
    const { name } = home.database;
    const hits = async (q) => (await user.ok('GET', `/api/chat/search?q=${q}`)).data.map((hit) => hit.snippet);
    const migrate = async (...args) => {
      const { code, stderr } = await tidetalk(home, ['migrate', ...args]);
      assert.equal(code, 0, stderr);
    };
    await server.stop();
    await migrate('--down', '27');
    const steps = (text) => `{"tool_result":{"id":"a","name":"look","content":"${text}"}}\n`;
    psql(name, `INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at, updated_at)
      SELECT 1, 's', id, '', '', '', '' FROM users;
      INSERT INTO chat_messages (user_id, session_row, role, content, steps, created_at, updated_at)
      SELECT id, 1, 'assistant', 'tide', s, '', '' FROM users, (VALUES (''), (${quoted(steps('ebb'))}),
        (${quoted(steps(`${'wave '.repeat(10000)}ebb`))})) AS v (s)`);
    await migrate();
    await server.start();
    await eventually(async () => (await hits('ebb')).length === 2, 'the steps are found');
    assert.equal((await hits('tide')).length, 3);
    for (const snippet of await hits('ebb')) assert.match(snippet, /ebb/);
    await server.stop();
    await migrate('--down', '27');
    assert.equal(psql(name, "SELECT count(*) FROM message_search_queue"), '2');
    await migrate();
    await server.start();
    await eventually(async () => (await hits('ebb')).length === 2, 'the steps are found');
    await server.stop();
    home.remove();
  });
});
