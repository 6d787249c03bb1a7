// Turns that begin and end at the same time: statements that many of them have reach PostgreSQL as
// one, and each turn is stored as if it were alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { LOOPBACK, startServer } from '../e2e/support/server.mjs';

const ROUNDS_MAX = 40;

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
    server = await startServer({ env: LOOPBACK });
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
});
