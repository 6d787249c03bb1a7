// A primary with a synchronous standby: the primary is killed under load, the standby is promoted, and
// nothing that was acknowledged is lost or there twice. TIDETALK_FAILOVERS sets how many times.
import assert from 'node:assert/strict';
import { after, describe } from 'node:test';
import { HANG_MS, eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { freePort } from '../e2e/support/process.mjs';
import { LOOPBACK, Server, makeHome, tidetalk } from '../e2e/support/server.mjs';
import { Cluster } from './cluster.mjs';

const ROUNDS = Number(process.env.TIDETALK_FAILOVERS || 1);
const NOT_REPLICATED = /synchronous_standby_names is empty or synchronous_commit is off or local: a failover may lose acknowledged rows/;

/** Both run, and commits of the first wait for the second. */
async function makePair(clusters) {
  const primary = await Cluster.make(['max_wal_senders = 4']);
  clusters.push(primary);
  await primary.start();
  const standby = await primary.standby('second');
  clusters.push(standby);
  await standby.start();
  primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'second'");
  primary.sql('SELECT pg_reload_conf()');
  await eventually(() => primary.sql('SELECT sync_state FROM pg_stat_replication') === 'sync', 'the standby is synchronous');
  return [primary, standby];
}

/** Clients that write until they are told to stop: messages, and keys that they delete again. `acknowledged`
 * has what each was told is stored, or deleted. */
async function startLoad(server, model, count) {
  const acknowledged = [];
  let stopped = false;
  const clients = Array.from({ length: count }, async (_, i) => {
    const user = await server.user();
    const name = await user.model(model);
    for (let number = 0; !stopped; number += 1) {
      const text = `${i}-${number}`;
      let answer = i % 2
        ? await user.post('/api/keys', { name: text })
        : await user.post('/api/chat/message', { session_id: `session-${user.user.id}`, model_name: name, message: text });
      if (i % 2 && answer.status === 200) answer = await user.delete(`/api/keys/${answer.body.id}`);
      assert.ok([200, 503].includes(answer.status), answer.text);
      if (answer.status === 200) acknowledged.push({ is: i % 2 ? 'deleted' : 'stored', user: user.user.id, text });
    }
  });
  return {
    acknowledged,
    stop: async () => {
      stopped = true;
      await Promise.all(clients);
    },
  };
}

describe('a primary and a synchronous standby', () => {
  const clusters = [];
  after(async () => { for (const each of clusters) await each.remove(); });

  for (let round = 0; round < ROUNDS; round += 1) {
    test(`the primary is killed under load (${round + 1}): nothing acknowledged is lost`, { timeout: 2 * HANG_MS }, async () => {
      const [primary, standby] = await makePair(clusters);
      const mock = await startMock();
      const port = await freePort();
      const home = makeHome({
        port,
        env: {
          ...LOOPBACK,
          TIDETALK_DATABASE_URL: `postgres://tidetalk:${primary.password}@127.0.0.1:${primary.port},127.0.0.1:${standby.port}`
            + '/postgres?target_session_attrs=read-write',
          TIDETALK_DURABILITY: 'replicated',
        },
      });
      const server = await new Server(home, port).start();
      assert.doesNotMatch(server.log(), NOT_REPLICATED);
      const load = await startLoad(server, mock.url('echo=1'), 8);
      const more = async (count, what) => {
        const before = load.acknowledged.length;
        await eventually(() => load.acknowledged.length >= before + count, what);
      };
      await more(40, 'rows are acknowledged');
      await primary.kill();
      standby.promote();
      await more(40, 'rows are acknowledged by the new primary');
      await load.stop();

      const rows = (sql) => new Map(standby.sql(sql).split('\n').map((line) => line.split('|')));
      const told = (is) => load.acknowledged.filter((each) => each.is === is).map(({ user, text }) => `${user} ${text}`);
      for (const role of ['user', 'assistant']) { // the answer is the message once more
        const stored = rows(`SELECT user_id || ' ' || content, count(*) FROM chat_messages
          WHERE role = '${role}' AND status = 'complete' GROUP BY 1`);
        assert.deepEqual(told('stored').filter((each) => stored.get(each) !== '1'), [], role);
      }
      const keys = rows("SELECT user_id || ' ' || name, 1 FROM api_keys");
      assert.deepEqual(told('deleted').filter((each) => keys.has(each)), []);
      assert.ok(told('stored').length > 10 && told('deleted').length > 10, `${load.acknowledged.length}`);
      assert.match(server.log(), NOT_REPLICATED); // the new one has no standby
      const { status } = await server.client().get('/readyz');
      assert.equal(status, 200);
      await server.stop();
      const check = await tidetalk(home, ['check', '--data']);
      assert.equal(check.code, 0, check.stderr);
      assert.match(`${check.stdout}${check.stderr}`, NOT_REPLICATED);
      home.remove();
      await mock.stop();
      for (const each of clusters.splice(0)) await each.remove();
    });
  }
});
