// Turns that begin and end at the same time: statements that many of them have reach PostgreSQL as
// one, and each turn is stored as if it were alone.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { freePort } from '../e2e/support/process.mjs';
import { LOOPBACK, Server, makeHome } from '../e2e/support/server.mjs';

const ROUNDS_MAX = 40;

/** A plugin whose second statement has the id of the row that the first one has inserted from a query. */
function putPlugin(home) {
  const folder = join(home.folder, 'plugins/swell');
  mkdirSync(join(folder, 'migrations'), { recursive: true });
  writeFileSync(join(folder, 'migrations/0001_rows.sql'), `CREATE TABLE swell_notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE swell_tags (note_id INTEGER NOT NULL, body TEXT NOT NULL);`);
  writeFileSync(join(folder, 'plugin.lua'), `local db = require "tide.db"
    return { api = 1, routes = { { method = "POST", path = "/notes", auth = "user", summary = "Adds a note.",
      request = { fields = { { name = "body", type = "string", required = true } } }, handler = function(req)
        local done, err = db.write({
          { "INSERT INTO swell_notes (body) SELECT ? FROM users WHERE id = ? AND ? <> ''", { req.body.body, req.user.id, req.body.body } },
          { "INSERT INTO swell_tags (note_id, body) VALUES (?, ?)", { db.id_of(1), req.body.body } },
        }, { independent = true })
        return done and { json = { id = done[1].id } }, err
      end } } }`);
}

describe('turns at the same time', () => {
  let server;
  let mock;
  const users = [];
  const sql = (text) => psql(server.home.database.name, text);
  const log = () => readFileSync(process.env.TEST_POSTGRES_LOG, 'utf8');

  before(async () => {
    psql('postgres', "ALTER SYSTEM SET log_min_messages = 'log'");
    psql('postgres', "ALTER SYSTEM SET log_statement = 'all'");
    psql('postgres', 'SELECT pg_reload_conf()');
    mock = await startMock();
    const port = await freePort();
    const home = makeHome({ port, env: LOOPBACK });
    putPlugin(home);
    server = await new Server(home, port).start();
    for (let i = 0; i < 4; i += 1) {
      const user = await server.user();
      await user.model(mock.url('echo=1'), { model_name: 'echo' });
      users.push(user);
    }
  }, { timeout: HANG_MS });
  after(async () => {
    psql('postgres', "ALTER SYSTEM SET log_statement = 'none'");
    psql('postgres', 'SELECT pg_reload_conf()');
    await server?.stop();
    server?.home.remove();
    await mock?.stop();
  }, { timeout: HANG_MS });

  /** 48 turns, a new session for each or those of the round before. */
  const turns = (round, isNew) => Promise.all(Array.from({ length: 48 }, async (_, i) => {
    const user = users[i % users.length];
    const session = `s-${isNew ? round : round - 1}-${i}`;
    const text = `${round} of ${i}`;
    const { response } = await user.say('echo', session, text);
    assert.equal(response, text);
    return [user, session, text];
  }));

  test('a turn that is alone: the reply follows its question', async () => {
    for (const text of ['first', 'second']) await users[0].say('echo', 'alone', text);
    assert.deepEqual((await users[0].messages('alone')).map(({ role, content }) => `${role} ${content}`),
      ['user first', 'assistant first', 'user second', 'assistant second']);
    assert.match(log(), /INSERT INTO chat_messages .*'assistant'.* currval\(/); // nobody waits for the id
  });

  test('each is stored as if it were alone, and once; sums are right', async () => {
    const wanted = [/INSERT INTO chat_messages .* unnest\(.*'user'|INSERT INTO chat_messages .*'user'.* unnest\(/,
      /UPDATE chat_messages SET content = .* unnest\(/, /UPDATE chat_sessions SET title = .* unnest\(/];
    let round = 1;
    for (; round < ROUNDS_MAX && (round < 3 || !wanted.every((each) => each.test(log()))); round += 1) {
      for (const [user, session, text] of await turns(round, round % 2 === 1)) {
        const messages = await user.messages(session);
        assert.deepEqual(messages.slice(-2).map(({ role, content }) => [role, content]), [['user', text], ['assistant', text]]);
      }
    }
    assert.ok(round < ROUNDS_MAX, 'no set was sent');
    const all = 48 * (round - 1) + 2;
    assert.equal(sql('SELECT sum(requests) FROM usage_days'), String(all));
    assert.equal(sql('SELECT sum(session_count) FROM users'), sql('SELECT count(*) FROM chat_sessions'));
    assert.equal(sql('SELECT sum(message_count) FROM chat_sessions'), String(2 * all));
    assert.equal(sql("SELECT count(*) FROM chat_messages AS m JOIN chat_messages AS p ON p.id = m.parent_id"
      + " WHERE m.role = 'assistant' AND m.content = p.content AND m.status = 'complete' AND p.session_row = m.session_row"), String(all));
  });

  test('one that fails among them takes no other along', async () => {
    for (let i = 0; i < 48; i += 8) await users[0].say('echo', `taken-${i}`, 'mine');
    const answers = await Promise.all(Array.from({ length: 48 }, (_, i) => users[1].post('/api/chat/message',
      { session_id: i % 8 ? `fail-${i}` : `taken-${i}`, model_name: 'echo', message: `text ${i}` })));
    assert.deepEqual(answers.map(({ status }) => status), answers.map((_, i) => (i % 8 ? 200 : 404)));
    assert.equal(sql("SELECT count(*) FROM chat_messages WHERE content = 'mine'"), '12');
  });

  test('the id of a row that comes from a query is that of its own job', async () => {
    const wanted = /INSERT INTO swell_tags .* unnest\(/;
    let round = 0;
    for (; round < ROUNDS_MAX && (round < 2 || !wanted.test(log())); round += 1) {
      const bodies = Array.from({ length: 48 }, (_, i) => `note ${round} ${i}`);
      const notes = await Promise.all(bodies.map((body) => users[0].ok('POST', '/notes', { body })));
      const stored = JSON.parse(sql('SELECT json_object_agg(id, body) FROM swell_notes'));
      assert.deepEqual(notes.map(({ id }) => stored[id]), bodies);
    }
    assert.ok(round < ROUNDS_MAX, 'no set was sent');
    assert.equal(sql('SELECT count(*) FROM swell_tags AS t JOIN swell_notes AS n ON n.id = t.note_id AND n.body = t.body'), String(48 * round));
  });
});
