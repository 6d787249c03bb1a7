// Plugins of a server of a test.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Writes a file of a plugin: 'weather/plugin.lua'. */
export function putPlugin(server, path, text) {
  const file = join(server.home.folder, 'plugins', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** A plugin that has only hooks: their members of a table, in Lua. */
export function putHooks(server, hooks, { name = 'watch', head = '' } = {}) {
  putPlugin(server, `${name}/plugin.lua`, `${head}\nreturn {\n  api = 1,\n  hooks = {\n${hooks}\n  },\n}\n`);
}

/** Removes a plugin, or all. */
export function removePlugins(server, name = '') {
  rmSync(join(server.home.folder, 'plugins', name), { recursive: true, force: true });
}
