// Scripts of a test's own, small enough that a reload costs little, and what a reload is asked with.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { admin } from './admin.mjs';
import { LOADED, LOADER, PLUGINS, Plugins, checkPlugins, ownFiles, variantEnv } from './plugin_variant.mjs';
import { makeFolder } from './process.mjs';

const ERRORS = {
  internal_error: 500, not_found: 404, method_not_allowed: 405, unauthorized: 401, forbidden: 403,
  too_many_requests: 429,
  body_too_large: 413, script_memory: 500, script_timeout: 500, busy: 503, scripts_invalid: 422,
  scripts_rolled_back: 422, nothing_to_roll_back: 422, shutting_down: 503,
};

/** app.lua with routes that tell which version of which file answers. */
export function appScript({ more = '', routes = '' } = {}) {
  const errors = Object.entries(ERRORS).map(
    ([code, status]) => `${code} = { status = ${status}, en = "${code}", zh = "${code}" }`,
  );
  return `local helper = require "lib.helper"
${LOADER}
local log, time = require "tide.log", require "tide.time"
local counter = 0
local M = {}
local function version()
  return { json = { app = helper.app, helper = helper.version } }
end
M.routes = {
  { method = "GET", path = "/version", auth = "none", handler = version },
  { method = "GET", path = "/fail", auth = "none", handler = function() error("broken") end },
  { method = "GET", path = "/count", auth = "none", handler = function()
    counter = counter + 1
    return { json = { counter = counter } }
  end },
  { method = "GET", path = "/log", auth = "none", handler = function()
    log.info("from the script")
    return { json = {} }
  end },
  ${routes}
}
function M.handle(route, req) return route.handler(req) end
M.errors = { ${errors.join(', ')} }
${LOADED}
${more}
return M
`;
}

export const helperScript = (version) => `return { version = ${version}, app = ${version} }\n`;

export class Bundle {
  #plugins;

  constructor(files = {}) {
    this.folder = makeFolder();
    this.lua = join(this.folder, 'lua');
    this.#plugins = PLUGINS && new Plugins((path, text) => this.#write(path, text));
    this.put('app.lua', appScript());
    this.put('lib/helper.lua', helperScript(1));
    for (const [path, text] of Object.entries(files)) this.put(path, text);
  }

  get env() { return variantEnv(this.folder); }

  /** Writes a file as a careful editor does: whole, and renamed into its place. It is dated back,
   * so that a reload need not wait until it has settled. `migrate`: see plugin_variant.mjs. */
  put(path, text, { migrate = true } = {}) {
    if (this.#plugins) this.#plugins.follow(path, text, migrate);
    this.#write(path, text);
  }

  #write(path, text) {
    const place = join(this.lua, path);
    const temporary = join(this.folder, 'new');
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(temporary, text);
    utimesSync(temporary, new Date(), Date.now() / 1000 - 10);
    renameSync(temporary, place);
  }

  remove(path) { rmSync(join(this.lua, path)); }
}

export const reload = async (server, query = '') =>
  ownFiles(await admin(server, 'POST', `/admin/reload${query}`));

export const rollback = async (server, query = '') =>
  ownFiles(await admin(server, 'POST', `/admin/rollback${query}`));

/** A reload that must be taken; its answer. */
export async function reloaded(server, query) {
  const answer = await reload(server, query);
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}

/** A reload that must be refused; its errors. */
export async function refused(server, query) {
  const answer = await reload(server, query);
  assert.equal(answer.status, 422, answer.text);
  assert.equal(answer.body.code, 'scripts_invalid');
  return answer.body.errors;
}

export async function version(server, options) {
  const { body } = await server.client().get('/version', options);
  await checkPlugins(server);
  return body;
}
