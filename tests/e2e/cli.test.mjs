// late
// sqlite
// covers: app/cli, app/settings, db, migrations
// smoke
// The command line: help, settings with their origins, what refuses to start, migrations, routes.
import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, cpSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe } from 'node:test';
import { test } from './support/limits.mjs';
import { ROOT, freePort } from './support/process.mjs';
import { makeHome, tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const COMMANDS = ['serve', 'dev', 'check', 'routes', 'reload', 'rollback', 'admin', 'new', 'test', 'repl',
  'plugin', 'diff', 'migrate', 'user', 'health', 'config', 'version'];

const homes = [];
function newHome(options) {
  const home = makeHome(options);
  homes.push(home);
  return home;
}
afterEach(() => { for (const home of homes.splice(0)) home.remove(); });

/** Writes tidetalk.yaml into the folder in which the commands run. */
const writeConfig = (home, text) => writeFileSync(join(home.folder, 'tidetalk.yaml'), text);

describe('help', () => {
  test('every command tells what it does', async () => {
    const home = newHome();
    const all = await tidetalk(home, ['--help']);
    assert.equal(all.code, 0);
    for (const command of COMMANDS) {
      assert.match(all.stdout, new RegExp(`^ +${command} `, 'm'));
      const { code, stdout, stderr } = await tidetalk(home, [command, '--help']);
      assert.equal(code, 0, stderr);
      assert.match(stdout, new RegExp(`^usage: tidetalk ${command}`));
      // The usage line names the settings exactly when the help lists them.
      assert.equal(/^usage: .*--setting=value/.test(stdout), stdout.includes('TIDETALK_LISTEN'));
      assert.equal(stdout.includes('TIDETALK_LISTEN'), command !== 'version');
    }
    assert.ok(!existsSync(home.dataDir), 'help makes no data folder');
  });

  test('a wrong command or flag is wrong usage', async () => {
    const home = newHome();
    for (const args of [[], ['sing'], ['serve', 'now'], ['serve', '--no-such-flag=1'], ['config'],
      ['user', 'add'], ['migrate', 'sideways']]) {
      const { code, stderr } = await tidetalk(home, args);
      assert.equal(code, 2, args.join(' '));
      assert.notEqual(stderr, '');
    }
  });

  test('version names the program and its libraries', async () => {
    const { code, stdout } = await tidetalk(newHome(), ['version']);
    assert.equal(code, 0);
    assert.match(stdout, /^tidetalk \d+\.\d+/);
    for (const library of ['libcurl', 'sqlite', 'libmicrohttpd', 'Lua']) {
      assert.match(stdout, new RegExp(`^${library} \\d`, 'm'));
    }
  });
});

describe('settings', () => {
  test('config show prints each value with its origin', async () => {
    const home = newHome();
    writeConfig(home, 'token:\n  ttl: 1h\nlog:\n  level: warn\nhistory:\n  pairs: 4\n');
    const env = { TIDETALK_LOG_LEVEL: 'error', TIDETALK_HISTORY_PAIRS: '5' };
    const { code, stdout } = await tidetalk(home, ['config', 'show', '--history-pairs=6'], { env });
    assert.equal(code, 0);
    const line = (key) => stdout.split('\n').find((text) => text.startsWith(`${key} = `));
    assert.equal(line('demo'), 'demo = true  # default');
    assert.equal(line('token.ttl'), 'token.ttl = 1h  # tidetalk.yaml:2');
    assert.equal(line('log.level'), 'log.level = error  # TIDETALK_LOG_LEVEL');
    assert.equal(line('history.pairs'), 'history.pairs = 6  # --history-pairs');
  });

  test('config show masks secrets', async () => {
    const env = { TIDETALK_REDIS_URL: 'redis://:moonlight@127.0.0.1:6379/0' };
    const { code, stdout } = await tidetalk(newHome(), ['config', 'show'], { env });
    assert.equal(code, 0);
    assert.match(stdout, /^redis_url = .*# TIDETALK_REDIS_URL$/m);
    assert.doesNotMatch(stdout, /moonlight/);
  });

  test('a wrong value in the file is named by file and line, and nothing starts', async () => {
    const cases = [
      ['log:\n  level: info\nworkers: many\n', 3],
      ['\nlisten: nowhere\n', 2],
      ['token:\n  ttl: 1h\n  tll: 2h\n', 3], // an unknown key
      ['log: [\n', 2],
      ['cors:\n  origins:\n    - https://chat.example.org/path\n', 2],
      ['public_url: https://example.org/chat?x\n', 1],
    ];
    for (const [text, line] of cases) {
      const home = newHome();
      writeConfig(home, text);
      delete home.env.TIDETALK_LISTEN;
      delete home.env.TIDETALK_WORKERS;
      const { code, stderr } = await tidetalk(home, ['serve']);
      assert.equal(code, 2, `${text}${stderr}`);
      assert.match(stderr, new RegExp(`tidetalk\\.yaml:${line}: .`), text);
      assert.ok(!existsSync(home.dataDir), 'nothing started');
    }
  });

  test('a wrong variable or flag is named too', async () => {
    const home = newHome();
    const variable = await tidetalk(home, ['serve'], { env: { TIDETALK_OUTBOUND_ALLOW: '10.0.0.0/99' } });
    assert.equal(variable.code, 2);
    assert.match(variable.stderr, /TIDETALK_OUTBOUND_ALLOW/);
    const flag = await tidetalk(home, ['serve', '--workers=-1']);
    assert.equal(flag.code, 2);
    assert.match(flag.stderr, /--workers/);
    const file = await tidetalk(home, ['serve', '--config=missing.yaml']);
    assert.equal(file.code, 2);
    assert.match(file.stderr, /missing\.yaml/);
  });
});

describe('scripts and personas', () => {
  test('check accepts what is there and names file and line of what is broken', async () => {
    const home = newHome();
    const lua = join(home.folder, 'lua');
    cpSync(join(ROOT, 'lua'), lua, { recursive: true });
    const env = { TIDETALK_LUA_DIR: lua };
    const good = await tidetalk(home, ['check'], { env });
    assert.equal(good.code, 0, good.stderr);
    writeFileSync(join(lua, 'models', 'model_routes.lua'), 'local x = 1\nlocal y = = 2\n');
    appendFileSync(join(lua, 'policy', 'title.lua'), '\nend\n');
    const bad = await tidetalk(home, ['check'], { env });
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /models\/model_routes\.lua:2:/);
    assert.match(bad.stderr, /policy\/title\.lua:\d+:/);
    const serve = await tidetalk(home, ['serve'], { env });
    assert.equal(serve.code, 2);
    assert.match(serve.stderr, /models\/model_routes\.lua:2:/);
  });

  test('the personas that come with the program are valid', async () => {
    const env = { TIDETALK_PERSONAS: join(ROOT, 'style.yaml') };
    assert.equal((await tidetalk(newHome(), ['check'], { env })).code, 0);
  });

  test('broken personas are refused by file and line', async () => {
    const home = newHome();
    writeFileSync(home.env.TIDETALK_PERSONAS, 'personas:\n  - name: x\n    contend: y\n');
    const { code, stderr } = await tidetalk(home, ['serve']);
    assert.equal(code, 2);
    assert.match(stderr, /style\.yaml:[23]:/);
  });

  test('routes lists method, path, who may and on which listener', async () => {
    const { code, stdout } = await tidetalk(newHome(), ['routes']);
    assert.equal(code, 0);
    assert.match(stdout, /^POST +\/api\/register +none +public +\S+:\d+$/m);
    assert.match(stdout, /^GET +\/api\/chat\/sessions\/:session_id\/messages +user +public +\S+:\d+$/m);
    assert.doesNotMatch(stdout, /^\S+ +\/admin\S* .* public /m);
  });
});

describe('the key file', () => {
  const context = withServer();

  test('is made for its owner only', () => {
    const mode = statSync(join(context.server.home.dataDir, 'secret.key')).mode;
    assert.equal(mode & 0o777, 0o600);
  });

  test('is refused when others can read it', async () => {
    const home = newHome();
    const file = join(home.folder, 'shared.key');
    writeFileSync(file, `${'ab'.repeat(32)}\n`);
    chmodSync(file, 0o644);
    const { code, stderr } = await tidetalk(home, ['serve'], { env: { TIDETALK_SECRET_FILE: file } });
    assert.equal(code, 2);
    assert.match(stderr, /shared\.key/);
    assert.match(stderr, /600/);
  });
});

describe('a second server', () => {
  const context = withServer();

  test('on the same folder says who holds it', async () => {
    const { server } = context;
    const env = { TIDETALK_LISTEN: `127.0.0.1:${await freePort()}` };
    const { code, stderr } = await tidetalk(server.home, ['serve'], { env });
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`\\b${server.pid}\\b`));
    await server.client().get('/readyz');
  });

  test('on the same port says who holds it', async () => {
    const { server } = context;
    const { code, stderr } = await tidetalk(newHome({ port: server.port }), ['serve']);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${server.port}\\b`));
    assert.match(stderr, new RegExp(`\\b${server.pid}\\b`));
    assert.equal((await server.client().get('/readyz')).status, 200);
  });
});

describe('migrate', () => {
  const context = withServer();

  test('makes the schema, and finds nothing to do the second time', async () => {
    const home = newHome();
    const dry = await tidetalk(home, ['migrate', '--dry-run']);
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^0001 init pending$/m);
    const first = await tidetalk(home, ['migrate']);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^0001 init applied$/m);
    const second = await tidetalk(home, ['migrate']);
    assert.equal(second.code, 0, second.stderr);
    assert.doesNotMatch(second.stdout, /applied|pending/);
    assert.equal(second.stdout.match(/schema version \d+/)[0], first.stdout.match(/schema version \d+/)[0]);
  });

  test('is safe beside a running server, except backward', async () => {
    const { home } = context.server;
    const user = await context.server.user();
    const forward = await tidetalk(home, ['migrate']);
    assert.equal(forward.code, 0, forward.stderr);
    const backward = await tidetalk(home, ['migrate', '--down', '0']);
    assert.equal(backward.code, 1);
    assert.match(backward.stderr, new RegExp(`\\b${context.server.pid}\\b`));
    await user.ok('GET', '/api/me');
  });

  test('goes back and forth again', async () => {
    const home = newHome();
    for (const args of [['migrate'], ['migrate', '--down', '0'], ['migrate']]) {
      const { code, stderr } = await tidetalk(home, args);
      assert.equal(code, 0, stderr);
    }
  });

  test('refuses a migration that was changed after it ran', async () => {
    const home = newHome();
    const migrations = join(home.folder, 'migrations');
    cpSync(join(ROOT, 'migrations'), migrations, { recursive: true });
    const env = { TIDETALK_MIGRATIONS_DIR: migrations };
    assert.equal((await tidetalk(home, ['migrate'], { env })).code, 0);
    appendFileSync(join(migrations, 'sqlite', '0001_init.up.sql'), '\nCREATE TABLE more (id INTEGER);\n');
    const { code, stderr } = await tidetalk(home, ['migrate'], { env });
    assert.equal(code, 1);
    assert.match(stderr, /0001/);
  });
});
