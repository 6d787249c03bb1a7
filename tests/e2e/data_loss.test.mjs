// late
// sqlite
// covers: app, db, files, base
// A start beside lost data: the database or the secret file is gone while what belongs to it is
// there. It is refused and nothing is made or deleted, unless the operator accepts the loss.
import assert from 'node:assert/strict';
import {
  copyFileSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { eventually, test, within } from './support/limits.mjs';
import { freePort, start } from './support/process.mjs';
import { LOOPBACK, Server, TIDETALK, makeHome, startServer, tidetalk } from './support/server.mjs';
import { assertError } from './support/suite.mjs';
import { newSession, stored, upload } from './support/upload.mjs';

const homes = [];
after(() => homes.forEach((home) => home.remove()));

const OTHER_KEY = `${'5a'.repeat(32)}\n`;

/** A stopped server whose folder has a user, a file and a sealed API key; those that are named by
 * `without` are not made. */
async function filled({ without = [], kill = false, env = LOOPBACK } = {}) {
  const server = await startServer({ env });
  homes.push(server.home);
  server.path = (name) => join(server.home.dataDir, name);
  if (!without.includes('user')) {
    server.owner = await server.user();
    if (!without.includes('file')) await upload(server.owner, await newSession(server.owner), 'kept.txt', 'x');
    if (!without.includes('key')) server.model = await server.owner.model('http://127.0.0.1:9/v1');
  }
  if (kill) await server.kill();
  else await server.stop();
  return server;
}

/** All files of the data folder with their sizes, but for the lock and what SQLite leaves beside a
 * database that was only read. */
function snapshot(server) {
  return readdirSync(server.home.dataDir, { recursive: true })
    .filter((name) => statSync(server.path(name)).isFile() && name !== 'lock' && !name.endsWith('-shm'))
    .map((name) => `${name} ${statSync(server.path(name)).size}`)
    .filter((line) => line !== 'tidetalk.db-wal 0')
    .sort();
}

/** These words are refused, naming all of `named`, and the folder is as it was. */
async function assertRefused(server, args, code, named) {
  const before = snapshot(server);
  const result = await tidetalk(server.home, args, { input: 'high-tide\n' });
  assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
  for (const text of [...named, '--accept-loss']) assert.ok(result.stderr.includes(text), result.stderr);
  assert.deepEqual(snapshot(server), before, args.join(' '));
}

const removeDatabase = (server) => {
  for (const end of ['', '-wal', '-shm']) rmSync(server.path(`tidetalk.db${end}`), { force: true });
};

/** The database as it is after a first start that nobody used. */
async function replaceByUnused(server) {
  const unused = await filled({ without: ['user'] });
  removeDatabase(server);
  copyFileSync(unused.path('tidetalk.db'), server.path('tidetalk.db'));
}

describe('a lost database', () => {
  for (const [what, state, lose] of [
    ['removed', 'is missing', removeDatabase],
    ['emptied', 'is empty', (server) => truncateSync(server.path('tidetalk.db'), 0)],
    ['replaced by one without users', 'has no users', replaceByUnused],
  ]) {
    test(`${what}: uploads stay until the loss is accepted`, async () => {
      const server = await filled();
      await lose(server);
      const files = stored(server);
      assert.equal(files.length, 1);
      const named = [server.path('tidetalk.db'), state, server.path('files')];
      await assertRefused(server, ['serve'], 2, named);
      for (const args of [['migrate'], ['migrate', '--dry-run'], ['migrate', '--down', '0'], ['user', 'add', 'moon']]) {
        await assertRefused(server, args, 1, named);
      }
      for (const args of [['repl'], ['repl', '--write']]) await assertRefused(server, args, 2, named);
      assert.deepEqual(stored(server), files);

      await server.start(['--accept-loss']);
      await eventually(() => stored(server).length === 0, 'the uploads are swept');
      const line = server.log().split('\n').find((text) => text.includes('loss accepted'));
      assert.match(line, /"files":1\b.*"bytes":1\b/);
      const user = await server.user();
      await server.stop();
      await server.start();
      await user.ok('GET', '/api/me');
      await server.stop();
    });
  }

  test('comes back when it is restored after a refused start', async () => {
    const server = await filled();
    renameSync(server.path('tidetalk.db'), join(server.home.folder, 'backup.db'));
    await assertRefused(server, ['serve'], 2, ['is missing']);
    renameSync(join(server.home.folder, 'backup.db'), server.path('tidetalk.db'));
    await server.start();
    await server.owner.ok('GET', '/api/me');
    assert.equal(stored(server).length, 1);
    await server.stop();
  });

  test('beside the secret file alone is refused too', async () => {
    const server = await filled({ without: ['user'] });
    removeDatabase(server);
    await assertRefused(server, ['serve'], 2, [server.path('secret.key'), 'is missing']);
    await assertRefused(server, ['migrate'], 1, [server.path('secret.key'), 'is missing']);
    await server.start(['--accept-loss']);
    await server.stop();
    await server.start();
    await server.stop();
  });

  test('beside its own write-ahead log alone is refused too', async () => {
    for (const lose of [(path) => rmSync(path), (path) => truncateSync(path, 0)]) {
      const server = await filled({ without: ['file', 'key'], kill: true });
      lose(server.path('tidetalk.db'));
      rmSync(server.path('secret.key'));
      await assertRefused(server, ['serve'], 2, [server.path('tidetalk.db-wal')]);
      await server.start(['--accept-loss']);
      await server.user();
      await server.stop();
    }
  });

  test('that is no database is refused, also with --accept-loss', async () => {
    const server = await filled();
    removeDatabase(server);
    writeFileSync(server.path('tidetalk.db'), 'not a database\n'.repeat(1000));
    for (const args of [['serve'], ['serve', '--accept-loss']]) {
      const { code, stderr } = await tidetalk(server.home, args);
      assert.equal(code, 2);
      assert.ok(stderr.includes(server.path('tidetalk.db')), stderr);
    }
    assert.equal(stored(server).length, 1);
  });
});

describe('a lost secret file', () => {
  for (const [what, state, lose] of [
    ['removed', 'is missing', (path) => rmSync(path)],
    ['with another key', 'holds another key', (path) => writeFileSync(path, OTHER_KEY)],
  ]) {
    test(`${what}: refused while API keys are sealed, until the loss is accepted`, async () => {
      const server = await filled();
      lose(server.path('secret.key'));
      const named = [server.path('secret.key'), state, '1 stored API keys'];
      await assertRefused(server, ['serve'], 2, named);
      await assertRefused(server, ['user', 'list'], 1, named);
      await assertRefused(server, ['repl'], 2, named);

      await server.start(['--accept-loss']);
      assert.match(server.log(), /loss accepted: stored API keys cannot be read/);
      await server.stop();
      await server.start(); // accepted once for all
      const again = await server.owner.again();
      const answer = await again.post('/api/chat/session', { model_name: server.model });
      assertError(answer, 422, 'secret_unreadable');
      assert.equal(stored(server).length, 1);
      await server.stop();

      writeFileSync(server.path('secret.key'), OTHER_KEY.replaceAll('5a', 'a5'));
      await assertRefused(server, ['serve'], 2, ['holds another key']);
    });
  }

  test('is refused when secret_file names another one', async () => {
    const server = await filled();
    const file = join(server.home.folder, 'other.key');
    writeFileSync(file, OTHER_KEY, { mode: 0o600 });
    server.home.env.TIDETALK_SECRET_FILE = file;
    await assertRefused(server, ['serve'], 2, [file, 'holds another key']);
    delete server.home.env.TIDETALK_SECRET_FILE;
    await server.start();
    await server.owner.ok('GET', '/api/me');
    await server.stop();
  });

  test('is made again when nothing is sealed', async () => {
    const server = await filled({ without: ['key'] });
    rmSync(server.path('secret.key'));
    await server.start();
    assertError(await server.owner.get('/api/me'), 401, 'invalid_token');
    await server.owner.again();
    assert.equal(stored(server).length, 1);
    await server.stop();
  });
});

describe('a first start', () => {
  /** Killed as soon as this file is there; then the next start must work. */
  async function interrupted(name) {
    const home = makeHome({ port: await freePort() });
    homes.push(home);
    const child = start(TIDETALK, ['serve'], { env: home.env, cwd: home.folder, stdio: 'ignore' });
    while (!existsSync(join(home.dataDir, name))) await new Promise((done) => { setImmediate(done); });
    child.kill('SIGKILL');
    await within(child.exited, 'the first start is killed');
    return home;
  }

  for (const name of ['lock', 'tidetalk.db', 'tidetalk.db-wal', 'secret.key', 'files']) {
    test(`that was killed when ${name} was made is followed by a good one`, async () => {
      const home = await interrupted(name);
      const server = await new Server(home, Number(home.env.TIDETALK_LISTEN.split(':')[1])).start();
      await server.user();
      await server.stop();
    });
  }

  test('may find a secret file outside of the data folder, but not in it', async () => {
    const home = makeHome({ port: await freePort() });
    homes.push(home);
    const mounted = join(home.folder, 'mounted.key');
    writeFileSync(mounted, OTHER_KEY, { mode: 0o600 });
    home.env.TIDETALK_SECRET_FILE = mounted;
    const server = new Server(home, Number(home.env.TIDETALK_LISTEN.split(':')[1]));
    const { code, stderr } = await tidetalk(home, ['migrate']);
    assert.equal(code, 0, stderr);
    removeDatabase({ path: (name) => join(home.dataDir, name) });
    await server.start();
    await server.user();
    await server.stop();
    assert.equal(readFileSync(mounted, 'utf8'), OTHER_KEY);
    assert.ok(!existsSync(join(home.dataDir, 'secret.key')));

    server.path = (name) => join(home.dataDir, name);
    removeDatabase(server);
    symlinkSync(home.dataDir, join(home.folder, 'link'));
    renameSync(mounted, server.path('moved.key'));
    home.env.TIDETALK_SECRET_FILE = join(home.folder, 'link', 'moved.key');
    await assertRefused(server, ['serve'], 2, ['moved.key', 'is missing']);
  });

  test('goes on from an empty database, from a migrated one, and from empty folders', async () => {
    for (const prepare of [
      (home) => writeFileSync(join(home.dataDir, 'tidetalk.db'), ''),
      (home) => tidetalk(home, ['migrate']),
      (home) => rmSync(join(home.dataDir, 'tidetalk.db'), { force: true }),
    ]) {
      const home = await interrupted('lock');
      for (const file of ['tidetalk.db', 'tidetalk.db-wal', 'tidetalk.db-shm', 'secret.key']) {
        rmSync(join(home.dataDir, file), { force: true });
      }
      await prepare(home);
      const server = await new Server(home, Number(home.env.TIDETALK_LISTEN.split(':')[1])).start();
      await server.user();
      await server.stop();
    }
  });

  test('does not need --accept-loss, and says so', async () => {
    const server = await startServer({ args: ['--accept-loss'] });
    homes.push(server.home);
    assert.match(server.log(), /nothing is lost/);
    await server.stop();
  });
});

test('the help of serve tells about --accept-loss', async () => {
  const home = makeHome();
  homes.push(home);
  const { code, stdout } = await tidetalk(home, ['serve', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /^usage: tidetalk serve \[--accept-loss\]/);
  const wrong = await tidetalk(home, ['migrate', '--accept-loss']);
  assert.equal(wrong.code, 2);
});
