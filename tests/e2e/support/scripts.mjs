// A copy of the scripts that a test may change.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './process.mjs';

/** Copies lua/ into a folder and returns the copy's path. `files`: path -> text, laid over it. */
export function copyScripts(folder, files = {}) {
  const lua = join(folder, 'lua');
  cpSync(join(ROOT, 'lua'), lua, { recursive: true });
  for (const [path, text] of Object.entries(files)) writeScript(lua, path, text);
  return lua;
}

export function writeScript(lua, path, text) {
  mkdirSync(dirname(join(lua, path)), { recursive: true });
  writeFileSync(join(lua, path), text);
}

/** Names a file of hooks/ in hooks.lua, as its head says to. */
export function nameHook(lua, name) {
  const path = join(lua, 'hooks.lua');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('hooks.join({\n', `hooks.join({\n  require "hooks.${name}",\n`));
}

/** Names a file of routes/ in app.lua. */
export function nameRoute(lua, name) {
  const path = join(lua, 'app.lua');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('local RESOURCES = {\n', `local RESOURCES = {\n  require "routes.${name}",\n`));
}
