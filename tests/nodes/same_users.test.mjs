// covers: db, chat, lua/account
// Turns of the same users on two nodes change the same rows: how many sessions a user has, the tokens of a
// day. Batches of both that met in them would stop each other until PostgreSQL has found the deadlock, which
// it looks for after a second. So a batch of a node begins with the locks of its users, in order, and with one
// for the rows that count logins.
import assert from 'node:assert/strict';
import { PASSWORD } from '../e2e/support/client.mjs';
import { psql } from '../e2e/support/databases.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { start } from '../e2e/support/process.mjs';
import { LOOPBACK } from '../e2e/support/server.mjs';
import { startCluster, through } from './cluster.mjs';

const LOCKS = 1953064294; // as in core/db/postgres.h
const LOGINS = 2147483646; // TT_DB_LOCK_LOGIN as in core/db/postgres_locks.c

test('writes of a user wait for those on another node before they change anything', async () => {
  const mock = await startMock();
  const cluster = await startCluster(2, { env: LOOPBACK });
  const [a, b] = cluster.nodes;
  const user = await a.user(), other = await a.user();
  const model = await user.model(mock.url('tokens=2'));
  await other.model(mock.url('tokens=2'), { model_name: model });
  const { name, url } = a.home.database;
  const waiting = () => psql(name, `SELECT count(*) FROM pg_stat_activity
    WHERE datname = '${name}' AND wait_event_type = 'Lock' AND wait_event = 'advisory'`) === '1';

  const hold = async (number) => {
    const holder = start('psql', ['-qAtX', url], { stdio: ['pipe', 'ignore', 'inherit'] });
    holder.stdin.write(`SELECT pg_advisory_lock(${LOCKS}, ${number});\n`);
    await eventually(() => psql(name, `SELECT count(*) FROM pg_locks
      WHERE locktype = 'advisory' AND classid = ${LOCKS} AND objid = ${number} AND granted`) === '1', 'the lock is taken');
    return holder;
  };
  /** Begins it while somebody has the lock, which it waits for; `meanwhile` runs before that is given back. */
  const waits = async (number, begin, meanwhile) => {
    const holder = await hold(number);
    let answered = false;
    const begun = begin().then((answer) => { answered = true; return answer; });
    await eventually(() => answered || waiting(), 'the writer waits');
    assert.equal(answered, false);
    await meanwhile();
    holder.stdin.end();
    return begun;
  };

  const turn = await waits(user.user.id, () => through(b, user).say(model, 'waits', 'hi'), async () => {
    assert.equal((await other.say(model, 'another', 'hi')).response, 'tok0 tok1 ');
  });
  assert.equal(turn.response, 'tok0 tok1 ');
  const login = await waits(LOGINS, () => b.client().post('/api/login',
    { username: other.user.username, password: PASSWORD }), async () => {});
  assert.equal(login.status, 200, login.text);

  // One that is held for longer than writers wait: its own job fails, once the batch and then it alone have waited.
  const holder = await hold(user.user.id);
  const begun = new Set();
  let refused;
  through(b, user).post('/api/chat/message', { session_id: 'refused', model_name: model, message: 'hi' })
    .then((answer) => { refused = answer; });
  await eventually(() => {
    const since = psql(name, `SELECT xact_start FROM pg_stat_activity
      WHERE datname = '${name}' AND wait_event_type = 'Lock' AND wait_event = 'advisory'`);
    if (since) begun.add(since);
    return refused;
  }, 'it is refused');
  holder.stdin.end();
  assert.deepEqual([refused.status, refused.body.code], [503, 'busy'], refused.text);
  assert.ok(begun.size === 1 || begun.size === 2, [...begun].join());
  await cluster.stop();
  await mock.stop();
});
