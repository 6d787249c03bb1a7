// With TEST_RELOADS=1 every server has scripts of its own, which change before each case of a test file:
// the case runs on another generation than the one before.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEachCase } from './limits.mjs';
import { copyScripts } from './scripts.mjs';

const wanted = process.env.TEST_RELOADS === '1';

/** The environment of a home whose scripts may change. */
export const reloadable = (folder) => (wanted ? { TIDETALK_LUA_DIR: copyScripts(folder) } : {});

/** From now on, until it ends, the server reloads before each case; not one with scripts of the test. */
export function followReloads(server, reload) {
  const lua = server.home.env.TIDETALK_LUA_DIR;
  if (!wanted || lua !== join(server.home.folder, 'lua')) return;
  let number = 0;
  const step = async () => {
    number += 1;
    appendFileSync(join(lua, 'app.lua'), `-- ${number}\n`);
    const { code, stderr } = await reload();
    assert.equal(code, 0, stderr);
  };
  beforeEachCase.add(step);
  server.exited.finally(() => beforeEachCase.delete(step)).catch(() => {});
}
