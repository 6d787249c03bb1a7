// covers: app/reload, node, app/admin, app/cli
// Scripts change on all nodes or on none: what one of them refuses serves nowhere, and none begins a turn with
// older scripts than the others'.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { admin } from '../e2e/support/admin.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { copyScripts, nameRoute, writeScript } from '../e2e/support/scripts.mjs';
import { tidetalk } from '../e2e/support/server.mjs';
import { listNodes, startCluster, through } from './cluster.mjs';

const luaOf = (node) => join(node.home.folder, 'lua');

/** Puts another version into a node's folder; `refusing` names a node that does not take it. */
function putVersion(lua, version, refusing) {
  const refusal = refusing ? `if require("tide.config").get("nodes.name") == "${refusing}" then
  error("not on this node")
end
` : '';
  writeScript(lua, 'routes/version.lua', `${refusal}return { { method = "GET", path = "/api/version", auth = "none",
  handler = function() return { json = { version = ${version} } } end } }
`);
}

function prepare(home) {
  const lua = copyScripts(home.folder);
  nameRoute(lua, 'version');
  putVersion(lua, 1);
  home.env.TIDETALK_LUA_DIR = lua;
}

const versionOf = async (node) => (await node.client().get('/api/version')).body.version;
const generationOf = (node) => psql(node.home.database.name,
  "SELECT number FROM script_generations WHERE outcome = 'current'");
const versionsOf = (cluster) => Promise.all(cluster.nodes.map(versionOf));
const reload = (node) => admin(node, 'POST', '/admin/reload');

/** Every node serves this version. */
const allServe = (cluster, version) => eventually(
  async () => (await versionsOf(cluster)).every((one) => one === version), `all nodes serve ${version}`);

describe('a reload on nodes', () => {
  let mock;
  before(async () => { mock = await startMock(); });
  after(async () => { await mock.stop(); });

  test('reaches all of them, with requests running', async () => {
    const cluster = await startCluster(3, { prepare });
    const [a, b] = cluster.nodes;
    const user = await a.user();
    const model = await user.model(mock.url('echo=1'));
    let stop = false;
    let turns = 0;
    const talk = async (node) => {
      const client = through(node, user);
      for (let i = 0; !stop; i += 1) {
        const message = `${node.home.port}-${i}`;
        assert.equal((await client.say(model, `of-${node.home.port}`, message)).response, message);
        turns += 1;
      }
    };
    const load = cluster.nodes.map(talk);
    for (const [version, node] of [[2, a], [3, b], [4, a]]) {
      putVersion(luaOf(node), version);
      const answer = await reload(node);
      assert.equal(answer.status, 200, answer.text);
      await allServe(cluster, version);
      assert.equal(generationOf(a), String(answer.body.generation));
      const before = turns;
      await eventually(() => turns > before + 6, 'turns go on');
    }
    stop = true;
    await Promise.all(load);
    await eventually(async () => Object.values(await listNodes(b)).every((one) => one.scripts === generationOf(a)),
      'the list shows it');
    await cluster.stop();
  });
});
