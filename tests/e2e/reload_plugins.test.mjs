// late
// covers: app/reload, plugin, db, script, serve
// What holds of reloads holds with plugins: twenty of them, with hooks, tables and migrations that come while
// requests run. TIDETALK_E2E_RELOADS sets how many reloads. The other properties are those of the reload*.test.mjs
// files, which also run with plugins (support/plugin_variant.mjs).
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { describe } from 'node:test';
import { admin, statusOf } from './support/admin.mjs';
import { reload, reloaded } from './support/bundle.mjs';
import { ask } from './support/kept_alive.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { NAMES, changeMany, putMany, putMigration, words } from './support/many_plugins.mjs';
import { putPlugin, removePlugins } from './support/plugins.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const TSAN = process.env.SANITIZER === 'tsan';
const RELOADS = Number(process.env.TIDETALK_E2E_RELOADS || (TSAN ? 10 : 20));
const [ONE, TWO, THREE] = NAMES;

const versionOf = async (server, name = ONE) => {
  const { status, body } = await server.client().get(`/api/${name}`);
  return status === 200 ? body.first : status;
};

describe('reloads with twenty plugins', () => {
  const context = withServer({ env: { ...LOOPBACK }, mock: true });
  let version = 1;
  let migration = 1;

  /** Another version of all, with a migration of one of them. */
  const change = async (server) => {
    version += 1;
    migration += 1;
    changeMany(server, version);
    putMigration(server, ONE, migration);
    return reloaded(server);
  };

  test('P1 no response mixes two versions and none fails, while migrations come', {
    timeout: HANG_MS * 4,
  }, async () => {
    const { server } = context;
    putMany(server, version);
    await reloaded(server);
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const seen = new Set();
    let over = false;
    let answers = 0;
    const load = Promise.all(Array.from({ length: 8 }, async (_, i) => {
      for (let n = i; !over; n += 1) {
        const method = n % 3 ? 'GET' : 'POST';
        const answer = await ask(server, agent, { method, path: `/api/${NAMES[n % NAMES.length]}` });
        assert.equal(answer.status, 200, answer.text);
        if (method === 'GET') {
          const { first, second } = JSON.parse(answer.text);
          assert.equal(first, second, answer.text);
          seen.add(first);
        }
        answers += 1;
      }
    }));
    load.catch(() => { over = true; });
    for (let i = 0; i < RELOADS && !over; i += 1) await change(server);
    over = true;
    await load;
    agent.destroy();
    assert.ok(answers > 50 && seen.size > 3, `${answers} answers, ${seen.size} versions`);
    await eventually(async () => (await statusOf(server)).generations_live === 1, 'old states are closed');
  });

  test('P4 a stream goes on in the hooks that it began with, whatever migrations come', async () => {
    const { server, mock } = context;
    const user = await server.user();
    const model = await user.model(mock.url('tokens=60,pace=20'));
    version += 1;
    changeMany(server, version, 'upper = true');
    await reloaded(server);
    const stream = await user.open(model, 'session_stream', 'Tell me');
    await stream.until(() => stream.frames.length > 2);
    for (let i = 0; i < 3; i += 1) await change(server);
    await within(stream.end(), 'the stream ends', HANG_MS);
    assert.equal(stream.text, Array.from({ length: 60 }, (_, i) => `TOK${i} `).join(''));
    assert.match((await user.say(model, 'session_stream', 'On')).response, /^tok0 /);
    assert.doesNotMatch(server.log(), /hook failed/);
  });

  test('P22 a dry run applies no migration', async () => {
    const { server } = context;
    const before = await versionOf(server);
    putPlugin(server, `${TWO}/words.lua`, words(1000));
    putMigration(server, TWO, 2);
    assert.equal((await reload(server, '?dry_run=1')).status, 200);
    assert.equal(await versionOf(server, TWO), before);
    const { stdout } = await tidetalk(server.home, ['migrate', '--dry-run']);
    assert.match(stdout, new RegExp(`${TWO} 0002 more (?!done)`));
    await change(server);
  });

  test('a migration that fails takes none of the others along', async () => {
    const { server } = context;
    const before = await versionOf(server);
    changeMany(server, 2000);
    putMigration(server, TWO, 3);
    putMigration(server, THREE, 2, 'CREATE TABLE other_name (id INTEGER);');
    const refused = await reload(server);
    assert.equal(refused.status, 422, refused.text);
    assert.match(refused.body.errors[0].file, new RegExp(`${THREE}/migrations/0002_more.sql`));
    for (const name of [ONE, TWO, THREE]) assert.equal(await versionOf(server, name), before);
    putMigration(server, THREE, 2);
    await change(server);
    assert.equal(await versionOf(server, THREE), version);
  });

  test('P18 rollback brings all plugins back, with their folder deleted and newer tables', async () => {
    const { server } = context;
    const first = await reloaded(server);
    assert.equal(first.unchanged, true);
    const before = version;
    await change(server);
    assert.equal(await versionOf(server), before + 1);
    removePlugins(server);
    const answer = await admin(server, 'POST', '/admin/rollback');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.hash, first.hash);
    for (const name of NAMES) assert.equal(await versionOf(server, name), before, name);
    assert.equal((await server.client().post(`/api/${ONE}`)).status, 200, 'older code writes into newer tables');
    // Without the folder the plugins are gone with the next reload; their rows are not.
    await reloaded(server);
    assert.equal(await versionOf(server), 404);
  });
});
