// sqlite
// covers: app, app/cli, base
// Another key for everything that is sealed, and what a check of the data folder says: also when the
// rotation is killed before any of its operations on the disk.
import assert from 'node:assert/strict';
import {
  chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { faultAt, hasFaults, operations } from './support/faults.mjs';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK, Server, makeHome, startServer, tidetalk } from './support/server.mjs';
import { newSession, stored, upload } from './support/upload.mjs';

let mock;
let server; // stopped: its folder is the one that is copied
let users;
let personal;
const homes = [];

before(async () => {
  mock = await startMock();
  server = await startServer({ env: LOOPBACK });
  homes.push(server.home);
  users = [await server.user(), await server.user('anna')];
  for (const user of users) await user.model(mock.url('echo=key'));
  personal = await users[0].ok('POST', '/api/keys', { name: 'k' });
  await upload(users[0], await newSession(users[0]), 'a.txt', 'x');
  await server.stop();
});
after(async () => {
  await mock?.stop();
  homes.forEach((home) => home.remove());
});

async function copy() {
  const home = makeHome({ port: await freePort(), env: LOOPBACK });
  homes.push(home);
  cpSync(server.home.dataDir, home.dataDir, { recursive: true });
  return home;
}

const secret = (home) => readFileSync(join(home.dataDir, 'secret.key'), 'utf8');
const check = (home, options) => tidetalk(home, ['check', '--data'], options);

async function keysOpen(home) {
  const again = await new Server(home, Number(home.env.TIDETALK_LISTEN.split(':')[1])).start();
  for (const user of users) {
    const client = again.client();
    client.token = (await client.ok('POST', '/api/login', { username: user.user.username, password: user.password })).token;
    assert.equal((await client.say('model-1', uniqueName(), 'hi')).response, user.apiKey);
  }
  return again;
}

describe('secret rotate', () => {
  test('seals further keys and headers anew too', async () => {
    const home = makeHome({ port: await freePort(), env: LOOPBACK });
    homes.push(home);
    const port = Number(home.env.TIDETALK_LISTEN.split(':')[1]);
    let running = await new Server(home, port).start();
    const user = await running.user();
    const model = await user.model(mock.url('echo=key'), {
      api_keys: ['sk-second-key', 'sk-third-key'], headers: { 'X-Team': 'the blue one', 'X-Other': 'other' },
    });
    await running.stop();
    const { code, stdout, stderr } = await tidetalk(home, ['secret', 'rotate']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /5 stored/);
    assert.equal((await check(home)).code, 0);
    running = await new Server(home, port).start();
    const { username } = user.user;
    user.token = (await user.ok('POST', '/api/login', { username, password: user.password })).token;
    await mock.reset();
    const keys = [];
    for (let i = 0; i < 3; i += 1) keys.push((await user.say(model, uniqueName(), 'hi')).response);
    assert.deepEqual(keys.sort(), [user.apiKey, 'sk-second-key', 'sk-third-key'].sort());
    const [{ headers }] = await mock.requests();
    assert.deepEqual([headers['x-team'], headers['x-other']], ['the blue one', 'other']);
    await running.stop();
    writeFileSync(join(home.dataDir, 'secret.key'), secret(server.home));
    const { stdout: told, stderr: errors, code: failed } = await check(home);
    assert.equal(failed, 1);
    assert.match(told + errors, /header of API key/);
  });

  test('seals all keys anew; logins end, personal keys stay', async () => {
    const home = await copy();
    const before = secret(home);
    const { code, stdout, stderr } = await tidetalk(home, ['secret', 'rotate']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /2 stored API keys are sealed with it.*log in again.*personal API keys stay/);
    assert.notEqual(secret(home), before);
    assert.equal(statSync(join(home.dataDir, 'secret.key')).mode & 0o777, 0o600);
    assert.ok(!existsSync(join(home.dataDir, 'secret.key.next')));
    assert.equal((await check(home)).code, 0);
    const again = await keysOpen(home);
    const old = again.client();
    old.token = users[0].token;
    assert.equal((await old.request('GET', '/api/me')).status, 401);
    old.token = personal.key;
    assert.equal((await old.request('GET', '/v1/models')).status, 200);
    const refused = await tidetalk(home, ['secret', 'rotate']);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /is in use by process/);
    await again.stop();
    // With the old secret file, as after the restore of half a backup.
    writeFileSync(join(home.dataDir, 'secret.key'), before);
    const wrong = await check(home);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /API key \d+ of user \d+ \(.*made with key .*\(secret_unreadable\)/);
    const stays = await tidetalk(home, ['secret', 'rotate']);
    assert.equal(stays.code, 1);
    assert.match(stays.stderr, /2 stored API keys do not open .*check --data/);
    assert.equal(secret(home), before);
  });

  test('killed before any operation on the disk, it goes on', async (t) => {
    if (!hasFaults) return t.skip('needs the library of faults');
    let at = 1;
    let finished = 0;
    for (; ; at += 1) {
      const home = await copy();
      const before = secret(home);
      const { code } = await tidetalk(home, ['secret', 'rotate'], { env: faultAt(home.dataDir, 'KILL', at) });
      if (code === 0) {
        assert.equal(at, operations(home.dataDir) + 1);
        break;
      }
      const whole = !existsSync(join(home.dataDir, 'secret.key.next'));
      const state = await check(home);
      const started = state.code === 0 ? null : await keysOpen(home); // the start ends it
      if (started) {
        finished += 1;
        assert.match(started.log(), /rotation of the secret that was broken off is finished/);
        await started.stop();
        assert.notEqual(secret(home), before);
        assert.equal((await check(home)).code, 0);
      }
      const next = await tidetalk(home, ['secret', 'rotate']);
      assert.equal(next.code, 0, `${at} ${whole}: ${next.stderr}`);
      assert.notEqual(secret(home), before);
      assert.equal((await check(home)).code, 0);
      assert.ok(!existsSync(join(home.dataDir, 'secret.key.next')));
      home.remove();
    }
    assert.ok(at > 8, `only ${at} operations`);
    assert.ok(finished > 0, 'one was killed between the commit and the rename');
    return undefined;
  });

  test('a mounted secret is refused, and says why', async () => {
    const home = await copy();
    mkdirSync(join(home.folder, 'mount', '..data'), { recursive: true });
    renameSync(join(home.dataDir, 'secret.key'), join(home.folder, 'mount', '..data', 'key'));
    symlinkSync('..data/key', join(home.folder, 'mount', 'key'));
    chmodSync(join(home.folder, 'mount', '..data', 'key'), 0o440);
    home.env.TIDETALK_SECRET_FILE = join(home.folder, 'mount', 'key');
    const { code, stderr } = await tidetalk(home, ['secret', 'rotate']);
    assert.equal(code, 1);
    assert.match(stderr, /it is a link.*mounted cannot be rotated here/);
    await (await keysOpen(home)).stop(); // but it serves
  });
});

describe('check --data', () => {
  const lines = async (home) => {
    const { code, stdout, stderr } = await check(home);
    assert.equal(stdout, code === 0 ? 'ok: 2 users, 2 stored API keys, 1 file\n' : '');
    return [code, stderr];
  };

  test('finds nothing in a sound folder, also while the server runs', async () => {
    const home = await copy();
    assert.deepEqual(await lines(home), [0, '']);
    const again = await keysOpen(home);
    assert.deepEqual(await lines(home), [0, '']);
    await again.stop();
  });

  test('names files without rows and rows without files', async () => {
    const home = await copy();
    const files = join(home.dataDir, 'files');
    const [key] = stored({ home });
    const orphan = 'ab/abababababababababababababababab';
    cpSync(join(files, key), join(files, orphan));
    writeFileSync(join(files, 'ab', 'notes.txt'), 'mine');
    let [code, text] = await lines(home);
    assert.equal(code, 0);
    assert.match(text, new RegExp(`files: warning: ${orphan} has no row.*\\(file_orphaned\\)`));
    assert.match(text, /warning: ab\/notes\.txt is not the server's.*\(file_foreign\)/);
    assert.match(text, /0 errors, 2 warnings/);
    rmSync(join(files, key));
    [code, text] = await lines(home);
    assert.equal(code, 1);
    assert.match(text, new RegExp(`files: error: the file of row ${key.slice(3)} is not there.*\\(file_missing\\)`));
    const json = JSON.parse((await tidetalk(home, ['check', '--data', '--json'])).stdout);
    assert.deepEqual(json.map((one) => one.code).sort(), ['file_foreign', 'file_missing', 'file_orphaned']);
  });

  test('names users that differ only in case', async () => {
    const home = await copy();
    const added = await tidetalk(home, ['user', 'add', 'Anna'], { input: 'password-1234\n' });
    assert.equal(added.code, 0, added.stderr);
    const { code, stderr } = await check(home);
    assert.equal(code, 0);
    assert.match(stderr, /warning: the users "anna" and "Anna" differ only in case.*\(names_collide\)/);
  });

  test('says what is damaged or missing', async () => {
    const home = await copy();
    const database = join(home.dataDir, 'tidetalk.db');
    const sound = readFileSync(database);
    const damaged = Buffer.from(sound);
    damaged.fill(0x5a, damaged.length - 4096 * 3);
    writeFileSync(database, damaged);
    let [code, text] = await lines(home);
    assert.equal(code, 1);
    assert.match(text, /tidetalk\.db: error: .*is damaged.*\(database_damaged\)/);
    writeFileSync(database, sound);
    rmSync(join(home.dataDir, 'secret.key'));
    [code, text] = await lines(home);
    assert.equal(code, 1);
    assert.match(text, /secret\.key: error: it is missing.*\(secret_file_unreadable\)/);
    rmSync(database);
    for (const name of readdirSync(home.dataDir)) if (name.startsWith('tidetalk.db')) rmSync(join(home.dataDir, name));
    [code, text] = await lines(home);
    assert.equal(code, 1);
    assert.match(text, /tidetalk\.db: error: it does not exist.*\(database_lost\)/);
  });
});
