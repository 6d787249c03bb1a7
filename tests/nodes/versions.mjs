// Nodes with a folder of scripts each, whose route /api/version tells which version of them serves.
import { join } from 'node:path';
import { admin } from '../e2e/support/admin.mjs';
import { psql } from '../e2e/support/databases.mjs';
import { eventually } from '../e2e/support/limits.mjs';
import { copyScripts, nameRoute, writeScript } from '../e2e/support/scripts.mjs';

export const luaOf = (node) => join(node.home.folder, 'lua');

/** Puts another version into a node's folder; `refusing` names a node that does not take it. */
export function putVersion(lua, version, refusing) {
  const refusal = refusing ? `if require("tide.config").get("nodes.name") == "${refusing}" then
  error("not on this node")
end
` : '';
  writeScript(lua, 'routes/version.lua', `${refusal}return { { method = "GET", path = "/api/version", auth = "none",
  handler = function() return { json = { version = ${version} } } end } }
`);
}

export function prepare(home) {
  const lua = copyScripts(home.folder);
  nameRoute(lua, 'version');
  putVersion(lua, 1);
  home.env.TIDETALK_LUA_DIR = lua;
}

export const versionOf = async (node) => (await node.client().get('/api/version')).body.version;
export const generationOf = (node) => psql(node.home.database.name,
  "SELECT number FROM script_generations WHERE outcome = 'current'");
export const versionsOf = (cluster) => Promise.all(cluster.nodes.map(versionOf));
export const reload = (node) => admin(node, 'POST', '/admin/reload');

/** Every node serves this version. */
export const allServe = (cluster, version) => eventually(
  async () => (await versionsOf(cluster)).every((one) => one === version), `all nodes serve ${version}`);
