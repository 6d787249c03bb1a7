// covers: app/cli
// `tidetalk new handler`: what it makes works at once, and nothing that exists is lost.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { test } from './support/limits.mjs';
import { ROOT, run } from './support/process.mjs';
import { copyScripts, writeScript } from './support/scripts.mjs';
import { makeHome, tidetalk } from './support/server.mjs';

// As long as a name may be: the lines of the templates must bear it.
const NAME = 'tide_table_of_all_known_harbours';

describe('tidetalk new handler', () => {
  const homes = [];
  after(() => homes.forEach((home) => home.remove()));

  const setup = () => {
    const home = makeHome({ env: { TIDETALK_LUA_DIR: 'lua' } });
    homes.push(home);
    return { home, lua: copyScripts(home.folder) };
  };
  const make = (home, ...args) => tidetalk(home, ['new', ...args]);

  test('makes a route that passes the check, luacheck and its own test', async () => {
    const { home, lua } = setup();
    const made = await make(home, 'handler', NAME);
    assert.equal(made.code, 0, made.stderr);
    const check = await tidetalk(home, ['check']);
    assert.equal(check.code, 0, check.stderr);
    assert.equal(check.stderr, '', 'no warning either');
    assert.match((await tidetalk(home, ['routes'])).stdout, new RegExp(`^POST +/api/${NAME} +user +public +lua/routes/${NAME}\\.lua:\\d+$`, 'm'));
    const tests = await tidetalk(home, ['test', `lua/tests/${NAME}_test.lua`], { env: { TMPDIR: home.folder } });
    assert.equal(tests.code, 0, tests.stdout);
    assert.match(tests.stdout, /^3 passed, 0 failed$/m);
    const lint = await run('luacheck', ['-q', '--config', join(ROOT, '.luacheckrc'),
      `lua/routes/${NAME}.lua`, `lua/tests/${NAME}_test.lua`, 'lua/app.lua'], { cwd: home.folder });
    assert.equal(lint.code, 0, lint.stdout);
    const before = readFileSync(join(ROOT, 'lua/app.lua'), 'utf8').split('\n');
    const now = readFileSync(join(lua, 'app.lua'), 'utf8').split('\n');
    assert.deepEqual(now.filter((line) => !before.includes(line)), [`  require "routes.${NAME}",`]);
    assert.equal(now.length, before.length + 1);
  });

  test('never overwrites, and leaves nothing behind when it cannot', async () => {
    const { home, lua } = setup();
    const app = readFileSync(join(lua, 'app.lua'), 'utf8');
    writeScript(lua, 'routes/chat.lua', 'return {}');
    const existing = await make(home, 'handler', 'chat');
    assert.equal(existing.code, 1);
    assert.match(existing.stderr, /lua\/routes\/chat\.lua: exists already/);
    assert.equal(readFileSync(join(lua, 'routes/chat.lua'), 'utf8'), 'return {}');

    writeScript(lua, 'tests/half_test.lua', '-- mine');
    assert.equal((await make(home, 'handler', 'half')).code, 1);
    assert.equal(readFileSync(join(lua, 'tests/half_test.lua'), 'utf8'), '-- mine');
    assert.ok(!existsSync(join(lua, 'routes/half.lua')));

    const taken = await make(home, 'handler', 'login'); // POST /api/login is there
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /routes\/login\.lua:\d+: route .*\/api\/login/);
    assert.ok(!existsSync(join(lua, 'routes/login.lua')) && !existsSync(join(lua, 'tests/login_test.lua')));
    assert.equal(readFileSync(join(lua, 'app.lua'), 'utf8'), app);

    writeFileSync(join(lua, 'app.lua'), app.replaceAll(/ {2}(require) (?=".*routes")/g, '  (require) '));
    const other = await make(home, 'handler', 'other');
    assert.equal(other.code, 1);
    assert.match(other.stderr, /app\.lua: no line/);
    assert.ok(!existsSync(join(lua, 'routes/other.lua')));
  });

  test('wants a name, and scripts that are not broken', async () => {
    const { home, lua } = setup();
    for (const words of [[], ['handler'], ['thing', 'x'], ['handler', '../x'], ['handler', 'Upper'],
      ['handler', '1a'], ['handler', 'a'.repeat(33)], ['handler', 'a', 'b']]) {
      assert.equal((await make(home, ...words)).code, 2, words.join(' '));
    }
    writeScript(lua, 'models/model_routes.lua', 'local = 1');
    const { code, stderr } = await make(home, 'handler', 'fine');
    assert.equal(code, 1);
    assert.match(stderr, /the scripts have errors/);
    assert.ok(!existsSync(join(lua, 'routes/fine.lua')));
  });
});
