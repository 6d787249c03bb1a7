// covers: app/reload, node
// Reloads under load, again and again, while one node refuses, dies or wakes late: each of them reaches all
// nodes or none, and no request fails. TIDETALK_NODES_RELOADS sets how many.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { listNodes, startCluster, through } from './cluster.mjs';
import { allServe, generationOf, luaOf, prepare, putVersion, reload, versionOf, versionsOf } from './versions.mjs';

const RELOADS = Number(process.env.TIDETALK_NODES_RELOADS || 6);

/** Turns that go to one node and the other alternately, and requests of both, until stop(). */
class Load {
  #stopping = false;
  turns = 0;
  reads = 0;
  seen = new Set(); // versions of the scripts

  constructor(nodes, user, model) {
    const talk = async (of) => {
      const clients = nodes.map((node) => through(node, user));
      for (let i = 0; !this.#stopping; i += 1) {
        const answer = await clients[i % nodes.length].say(model, `talk-${of}`, `${of}-${i}`);
        assert.equal(answer.response, `${of}-${i}`);
        this.turns += 1;
      }
    };
    const read = async (node) => {
      while (!this.#stopping) {
        this.seen.add(await versionOf(node));
        this.reads += 1;
      }
    };
    this.ended = Promise.all([...[1, 2, 3].map(talk), ...nodes.map(read)]);
    this.ended.catch(() => { this.#stopping = true; });
  }

  get failed() { return this.#stopping; }

  async stop() {
    this.#stopping = true;
    await this.ended;
  }
}

describe('reloads on nodes, again and again', () => {
  let mock;
  before(async () => { mock = await startMock(); });
  after(async () => { await mock.stop(); });

  test('are all or nothing', { timeout: HANG_MS + RELOADS * 60_000 }, async () => {
    const cluster = await startCluster(3, { prepare, env: { TIDETALK_NODES_LEASE: '4s' } });
    const [a, b, c] = cluster.nodes;
    const { name } = a.home.database;
    const user = await a.user();
    const load = new Load([a, b], user, await user.model(mock.url('echo=1')));
    let serving = 1;
    const all = new Set([serving]); // that have served

    /** The other two are ready, or the reload has ended: they were slow, and the lease of the third was over. */
    const votes = (asked) => {
      let ended = false;
      asked.finally(() => { ended = true; }).catch(() => {});
      return eventually(() => load.failed || ended
        || psql(name, 'SELECT count(*) FROM node_proposal_votes') === '2', 'the other two are ready');
    };
    const taken = async (asked, version) => {
      const answer = await asked;
      assert.equal(answer.status, 200, answer.text);
      assert.equal(generationOf(a), String(answer.body.generation));
      serving = version;
      all.add(version);
    };
    const kinds = {
      good: async (asker, version) => {
        putVersion(luaOf(asker), version);
        await taken(reload(asker), version);
      },
      refused: async (asker, version) => {
        const [by] = cluster.nodes.filter((node) => node !== asker).slice(version % 2);
        const before = generationOf(a);
        const byName = 'abc'[cluster.nodes.indexOf(by)];
        putVersion(luaOf(asker), version, byName);
        const answer = await reload(asker);
        assert.equal(answer.status, 422, answer.text);
        assert.equal(answer.body.errors[0].message, `node ${byName}: not on this node`);
        assert.equal(generationOf(a), before);
        assert.deepEqual(await versionsOf(cluster), [serving, serving, serving]);
      },
      dies: async (asker, version) => {
        c.signal('SIGSTOP');
        putVersion(luaOf(asker), version);
        const asked = reload(asker);
        await votes(asked);
        await c.kill();
        await taken(asked, version);
        await c.start();
      },
      'wakes within its lease': async (asker, version) => {
        c.signal('SIGSTOP');
        putVersion(luaOf(asker), version);
        const asked = reload(asker);
        await votes(asked);
        c.signal('SIGCONT');
        await taken(asked, version);
      },
      'wakes late': async (asker, version) => {
        c.signal('SIGSTOP');
        await eventually(async () => (await listNodes(a)).c.state === 'dead', 'its lease is over');
        putVersion(luaOf(asker), version);
        await taken(reload(asker), version);
        const late = through(c, user).say(await user.model(mock.url('echo=1')), `late-${version}`, 'late');
        c.signal('SIGCONT');
        assert.equal((await late).response, 'late');
        assert.equal(psql(name, `SELECT turn_generation FROM chat_sessions WHERE session_id = 'late-${version}'`),
          generationOf(a), 'no turn with older scripts');
      },
    };
    const names = ['good', 'refused', 'dies', 'wakes late', 'refused', 'wakes within its lease'];
    for (let round = 0; round < RELOADS && !load.failed; round += 1) {
      const { turns, reads } = load;
      await kinds[names[round % names.length]](round % 4 < 2 ? a : b, round + 2);
      await allServe(cluster, serving);
      await eventually(() => load.failed || (load.turns > turns + 3 && load.reads > reads), 'requests go on');
    }
    await load.stop();
    assert.deepEqual([...load.seen].filter((version) => !all.has(version)), [], 'what was refused served nowhere');
    console.log(`# ${RELOADS} reloads, ${load.turns} turns and ${load.reads} other requests, none failed`);
    await cluster.stop();
  });
});
