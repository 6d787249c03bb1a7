// covers: app/cli, lua/templates
// `tidetalk new`: what it makes works at once, and nothing that exists is lost.
import assert from 'node:assert/strict';
import {
  copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { test } from './support/limits.mjs';
import { ROOT, run } from './support/process.mjs';
import { copyScripts, writeScript } from './support/scripts.mjs';
import { TIDETALK, makeHome, tidetalk } from './support/server.mjs';

// As long as a name may be: the lines of the templates must bear it.
const NAME = 'tide_table_of_all_known_harbours';
const KINDS = ['plugin', 'route', 'hook', 'tool', 'provider', 'policy'];

describe('tidetalk new', () => {
  const homes = [];
  after(() => homes.forEach((home) => home.remove()));

  const setup = () => {
    const home = makeHome({ env: { TIDETALK_LUA_DIR: 'lua' } });
    homes.push(home);
    return { home, lua: copyScripts(home.folder) };
  };
  const make = (home, ...args) => tidetalk(home, ['new', ...args]);
  const lint = (home, ...files) => run('luacheck', ['-q', '--config', join(ROOT, '.luacheckrc'), ...files], { cwd: home.folder });
  const runTests = (home, ...args) => tidetalk(home, ['test', ...args], { env: { TMPDIR: home.folder } });

  test('has a template for each kind, and no other', () => {
    const files = readdirSync(join(ROOT, 'lua/templates')).sort();
    assert.deepEqual(files, [...KINDS.flatMap((kind) => [`${kind}.lua`, `${kind}_test.lua`]), 'test.lua'].sort());
  });

  for (const kind of KINDS) {
    test(`${kind}: it passes the check, luacheck and its own test`, async () => {
      const { home } = setup();
      const made = await make(home, kind, NAME);
      assert.equal(made.code, 0, made.stderr);
      const files = [`plugins/${NAME}/plugin.lua`, `plugins/${NAME}/tests/${NAME}_test.lua`];
      for (const file of files) {
        assert.match(made.stdout, new RegExp(`^${file}: `, 'm'));
        assert.doesNotMatch(readFileSync(join(home.folder, file), 'utf8'), /sample/);
      }
      const check = await tidetalk(home, ['check']);
      assert.equal(check.code, 0, check.stderr);
      assert.equal(check.stderr, '', 'no warning either');
      const tests = await runTests(home, files[1]);
      assert.equal(tests.code, 0, tests.stdout);
      assert.match(tests.stdout, /^[1-9] passed, 0 failed$/m);
      const editor = JSON.parse(readFileSync(join(home.folder, 'plugins/.luarc.json'), 'utf8'));
      assert.deepEqual(editor.workspace.library, [join(realpathSync(home.folder), 'lua/types')]);
      const luacheck = await lint(home, ...files);
      assert.equal(luacheck.code, 0, luacheck.stdout);
    });

    test(`${kind}: the test notices when the plugin is not there`, async () => {
      const { home } = setup();
      assert.equal((await make(home, kind, 'short')).code, 0);
      assert.equal((await tidetalk(home, ['plugin', 'disable', 'short'])).code, 0);
      const tests = await runTests(home, 'plugins/short/tests');
      assert.equal(tests.code, 1, tests.stdout);
      assert.doesNotMatch((await runTests(home, 'lua/tests')).stdout, /short_test/);
    });
  }

  test('test: it is run with all others, and those of plugins', async () => {
    const { home, lua } = setup();
    const made = await make(home, 'test', NAME);
    assert.equal(made.code, 0, made.stderr);
    assert.equal((await lint(home, `lua/tests/${NAME}_test.lua`)).code, 0);
    assert.equal((await make(home, 'hook', 'short')).code, 0);
    const tests = await runTests(home);
    assert.equal(tests.code, 0, tests.stdout);
    for (const file of [`${lua.replace(`${home.folder}/`, '')}/tests/${NAME}_test.lua`, 'plugins/short/tests/short_test.lua']) {
      assert.match(tests.stdout, new RegExp(`^ok - ${file}: `, 'm'));
    }
  });

  test('test: of a plugin, with it; never among the scripts that came with the program', async () => {
    const { home } = setup();
    assert.equal((await make(home, 'hook', 'short')).code, 0);
    rmSync(join(home.folder, 'plugins/short/tests'), { recursive: true });
    const made = await make(home, 'test', 'short');
    assert.equal(made.stdout.split(':')[0], 'plugins/short/tests/short_test.lua', made.stderr);
    assert.equal((await runTests(home, 'plugins/short')).code, 0);

    const prefix = join(home.folder, 'prefix');
    for (const folder of ['bin', 'share/tidetalk']) mkdirSync(join(prefix, folder), { recursive: true });
    copyFileSync(TIDETALK, join(prefix, 'bin/tidetalk'));
    renameSync(join(home.folder, 'lua'), join(prefix, 'share/tidetalk/lua'));
    const env = { ...home.env };
    delete env.TIDETALK_LUA_DIR;
    const refused = await run(join(prefix, 'bin/tidetalk'), ['new', 'test', 'other'], { cwd: home.folder, env });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /no plugin other, and the scripts in .*\/share\/tidetalk\/lua came with the program/);
  });

  test('never overwrites, and leaves nothing behind when it cannot', async () => {
    const { home, lua } = setup();
    const plugins = join(home.folder, 'plugins');
    mkdirSync(join(plugins, 'mine'), { recursive: true });
    writeFileSync(join(plugins, 'mine/plugin.lua'), 'return { api = 1 }');
    const existing = await make(home, 'route', 'mine');
    assert.equal(existing.code, 1);
    assert.match(existing.stderr, /plugins\/mine: exists already; nothing was changed/);
    assert.equal(readFileSync(join(plugins, 'mine/plugin.lua'), 'utf8'), 'return { api = 1 }');

    writeScript(lua, 'tests/half_test.lua', '-- mine');
    assert.equal((await make(home, 'test', 'half')).code, 1);
    assert.equal(readFileSync(join(lua, 'tests/half_test.lua'), 'utf8'), '-- mine');

    const taken = await make(home, 'route', 'login'); // POST /api/login is there
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /plugins\/login\/plugin\.lua:\d+: .*\/api\/login/);
    assert.ok(!existsSync(join(plugins, 'login')));
  });

  test('wants a name, and scripts that are not broken', async () => {
    const { home, lua } = setup();
    for (const words of [[], ['route'], ['thing', 'x'], ['route', '../x'], ['route', 'Upper'],
      ['route', '1a'], ['route', 'a'.repeat(33)], ['route', 'a', 'b']]) {
      assert.equal((await make(home, ...words)).code, 2, words.join(' '));
    }
    writeScript(lua, 'models/model_routes.lua', 'local = 1');
    const { code, stderr } = await make(home, 'route', 'fine');
    assert.equal(code, 1);
    assert.match(stderr, /the scripts have errors/);
    assert.ok(!existsSync(join(home.folder, 'plugins/fine')));
  });
});
