// With TEST_PLUGINS=1 the scripts of a Bundle lie over the server's own and load plugins: each of these has
// routes, hooks, a timer, a setting and a table. A new version of lib/helper.lua brings the same version of all
// of them and, unless it is put with `migrate: false`, a migration whose column only it reads. Only cases with
// the name of a property, "P5 …", are run. Without plugins remain: P14 (a benchmark), P21 (the admin listener is
// the core's), and what is in describeWithoutPlugins; reload_plugins.test.mjs has P1 and P4 for turns.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { NAMES, pluginFiles, words } from './many_plugins.mjs';
import { ROOT } from './process.mjs';

export const PLUGINS = process.env.TEST_PLUGINS === '1';

/** describe() of what plugins change nothing about. */
export const describeWithoutPlugins = PLUGINS ? () => {} : describe;

const USED = NAMES.slice(0, 3);
const [GROWS] = USED; // has the migrations

/** Lines of app.lua: before its table, and behind it. */
export const LOADER = PLUGINS ? 'local plugins = require "plugin.loader"' : '';
export const LOADED = PLUGINS ? `plugins.add_routes(M.routes)
M.plugins = plugins.plugins
M.self_tests = { function() return plugins.problems end }` : '';

/** The environment of a server whose scripts are in the folder's lua. */
export const variantEnv = (folder) => (PLUGINS ? {
  TIDETALK_SCRIPTS: `${join(folder, 'lua')},${join(ROOT, 'lua')}`,
  TIDETALK_PLUGINS_DIR: join(folder, 'plugins'),
} : { TIDETALK_LUA_DIR: join(folder, 'lua') });

/** The plugins of one bundle; `put` writes a file, with its path below lua/. */
export class Plugins {
  #put;
  #seen = new Map(); // text of lib/helper.lua -> what the plugins were with it
  #migrations = 1;

  constructor(put) {
    this.#put = (path, text) => put(`../plugins/${path}`, text);
    for (const name of USED) {
      for (const [path, text] of Object.entries(pluginFiles(name, 1))) this.#put(`${name}/${path}`, text);
    }
  }

  /** Follows a file that was put. The same text makes the plugins what they were with it. */
  follow(path, text, migrate) {
    const version = path === 'lib/helper.lua' && /^return \{ version = (\d+), app = \1 \}\n$/.exec(text)?.[1];
    if (!version) return;
    if (!this.#seen.has(text)) {
      if (migrate && this.#seen.size > 0) this.#grow();
      this.#seen.set(text, words(version, this.#migrations > 1 ? `column = "c${this.#migrations}"` : ''));
    }
    this.#put(`${GROWS}/words.lua`, this.#seen.get(text));
    for (const name of USED.slice(1)) this.#put(`${name}/words.lua`, words(version));
  }

  #grow() {
    this.#migrations += 1;
    const number = String(this.#migrations).padStart(4, '0');
    this.#put(`${GROWS}/migrations/${number}_more.sql`,
      `ALTER TABLE ${GROWS}_rows ADD COLUMN c${this.#migrations} TEXT;\n`);
  }
}

/** An answer of the admin listener with the test's own files only. */
export function ownFiles(answer) {
  const isOwn = (path) => path === 'app.lua'
    || (!path.startsWith('plugins/') && !existsSync(join(ROOT, 'lua', path)));
  if (!PLUGINS || !answer.body) return answer;
  const { files, changed } = answer.body;
  if (files) answer.body.files = files.filter((file) => isOwn(file.path));
  if (changed) answer.body.changed = changed.filter(isOwn);
  return answer;
}

/** All plugins answer, with one version before and after a wait. */
export async function checkPlugins(server) {
  if (!PLUGINS) return;
  for (const name of USED) {
    const { status, body, text } = await server.client().get(`/api/${name}`);
    assert.equal(status, 200, text);
    assert.equal(body.first, body.second, text);
  }
}
