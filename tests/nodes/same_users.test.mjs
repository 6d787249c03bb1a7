// covers: db, chat
// Turns of the same users on two nodes change the same rows: how many sessions a user has, the tokens of a
// day. Batches of both that met in them would stop each other until PostgreSQL has found the deadlock, which
// it looks for after a second. So a batch of a node begins with the locks of its users, in order.
import assert from 'node:assert/strict';
import { psql } from '../e2e/support/databases.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { start } from '../e2e/support/process.mjs';
import { LOOPBACK } from '../e2e/support/server.mjs';
import { startCluster, through } from './cluster.mjs';

const LOCKS = 1953064294; // as in core/db/postgres.h

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

  const holder = start('psql', ['-qAtX', url], { stdio: ['pipe', 'ignore', 'inherit'] });
  holder.stdin.write(`SELECT pg_advisory_lock(${LOCKS}, ${user.user.id});\n`);
  await eventually(() => psql(name, `SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = ${LOCKS} AND granted`) === '1', 'the lock is taken');
  let answered = false;
  const turn = through(b, user).say(model, 'waits', 'hi').then((answer) => { answered = true; return answer; });
  await eventually(() => answered || waiting(), 'the writer waits');
  assert.equal(answered, false);
  assert.equal((await other.say(model, 'another', 'hi')).response, 'tok0 tok1 ');
  holder.stdin.end();
  assert.equal((await turn).response, 'tok0 tok1 ');
  await cluster.stop();
  await mock.stop();
});
