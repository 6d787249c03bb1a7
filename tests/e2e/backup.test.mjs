// late
// sqlite
// covers: app, db
// The database is written to a file while users talk, and comes back from it: with everything that
// was acknowledged before the backup began, and sound.
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK, Server, makeHome, startServer, tidetalk } from './support/server.mjs';
import { newSession, stored, upload } from './support/upload.mjs';

let server;
let mock;
let user;
const homes = [];
before(async () => {
  mock = await startMock();
  server = await startServer({ env: LOOPBACK });
  homes.push(server.home);
  user = await server.user();
  await user.model(mock.url('tokens=4'));
});
after(async () => {
  await server.stop();
  await mock.stop();
  homes.forEach((home) => home.remove());
});

const inHome = (name) => join(server.home.folder, name);

async function newHome() {
  const port = await freePort();
  const home = makeHome({ port, env: LOOPBACK });
  homes.push(home);
  return { home, other: new Server(home, port) };
}

/** Messages from four clients without a pause, until `end`, which returns them all. */
function talk() {
  const acknowledged = [];
  let going = true;
  const one = async (client) => {
    for (let n = 0; going; n += 1) {
      const message = `tide ${client} ${n} ${'.'.repeat(3000)}`;
      await user.ok('POST', '/api/chat/message', { session_id: `load-${client}`, model_name: 'model-1', message });
      acknowledged.push(message);
    }
  };
  const clients = [0, 1, 2, 3].map(one);
  return { acknowledged, end: () => { going = false; return Promise.all(clients); } };
}

async function messagesOf(client) {
  const all = [];
  for (const n of [0, 1, 2, 3]) {
    const { messages } = await client.ok('GET', `/api/chat/sessions/load-${n}/export?format=json`);
    all.push(...messages.filter((message) => message.role === 'user').map((message) => message.content));
  }
  return new Set(all);
}

describe('backup and restore', () => {
  test('under load: what was acknowledged before is there after', async () => {
    await upload(user, await newSession(user), 'kept.txt', 'x');
    const load = talk();
    for (let i = 0; i < 3; i += 1) {
      const wanted = load.acknowledged.length + 8;
      while (load.acknowledged.length < wanted) await new Promise((done) => { setImmediate(done); });
      const known = [...load.acknowledged];
      const { code, stdout, stderr } = await tidetalk(server.home, ['backup', inHome(`backup-${i}.db`)]);
      assert.equal(code, 0, stderr);
      assert.ok(stdout.includes(join(server.home.dataDir, 'files')) && stdout.includes(join(server.home.dataDir, 'secret.key')), stdout);
      load[i] = known;
    }
    await load.end();
    assert.deepEqual(readdirSync(server.home.folder).filter((name) => name.startsWith('backup-')).sort(),
      ['backup-0.db', 'backup-1.db', 'backup-2.db']);

    for (let i = 0; i < 3; i += 1) {
      assert.equal(statSync(inHome(`backup-${i}.db`)).mode & 0o777, 0o600);
      const { home, other } = await newHome();
      const restored = await tidetalk(home, ['restore', inHome(`backup-${i}.db`)]);
      assert.equal(restored.code, 0, restored.stderr);
      cpSync(join(server.home.dataDir, 'files'), join(home.dataDir, 'files'), { recursive: true });
      cpSync(join(server.home.dataDir, 'secret.key'), join(home.dataDir, 'secret.key'));
      await other.start();
      const again = other.client();
      again.token = user.token;
      const found = await messagesOf(again);
      for (const message of load[i]) assert.ok(found.has(message), `${message.slice(0, 20)} is lost`);
      await again.say('model-1', 'after', 'the API key opens');
      assert.equal(stored({ home }).length, 1);
      await other.stop();
    }
  });

  test('never overwrite anything', async () => {
    const file = inHome('taken.db');
    writeFileSync(file, 'mine');
    const refused = await tidetalk(server.home, ['backup', file]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /taken\.db exists already/);
    assert.equal(readFileSync(file, 'utf8'), 'mine');

    const running = await tidetalk(server.home, ['restore', file]);
    assert.equal(running.code, 1);
    assert.match(running.stderr, /is in use by process/);

    assert.equal((await tidetalk(server.home, ['backup', inHome('good.db')])).code, 0);
    const { home } = await newHome();
    assert.equal((await tidetalk(home, ['restore', inHome('good.db')])).code, 0);
    const before = readFileSync(join(home.dataDir, 'tidetalk.db'));
    const there = await tidetalk(home, ['restore', inHome('good.db')]);
    assert.equal(there.code, 1);
    assert.match(there.stderr, /tidetalk\.db exists already.*move it away/);
    assert.ok(before.equals(readFileSync(join(home.dataDir, 'tidetalk.db'))));

    // A log of another database beside the restored one would be played into it.
    renameSync(join(home.dataDir, 'tidetalk.db'), join(home.dataDir, 'old.db'));
    writeFileSync(join(home.dataDir, 'tidetalk.db-wal'), 'x');
    const log = await tidetalk(home, ['restore', inHome('good.db')]);
    assert.equal(log.code, 1);
    assert.match(log.stderr, /tidetalk\.db-wal exists already/);
    assert.ok(!existsSync(join(home.dataDir, 'tidetalk.db')));
  });

  test('refuse a damaged database, and leave nothing', async () => {
    assert.equal((await tidetalk(server.home, ['backup', inHome('sound.db')])).code, 0);
    const bytes = readFileSync(inHome('sound.db'));
    bytes.fill(0x5a, 4096 * 4, 4096 * 12);
    writeFileSync(inHome('damaged.db'), bytes);
    const { home } = await newHome();
    for (const [name, why] of [['damaged.db', /damaged|malformed/], ['none.db', /does not exist/], ['text.db', /cannot be read/]]) {
      if (name === 'text.db') writeFileSync(inHome(name), 'not a database\n'.repeat(1000));
      const refused = await tidetalk(home, ['restore', inHome(name)]);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, why);
      assert.deepEqual(readdirSync(home.dataDir), ['lock']);
    }
    assert.equal((await tidetalk(home, ['backup', inHome('of-nothing.db')])).code, 1);
    assert.ok(!existsSync(inHome('of-nothing.db')));
    assert.equal((await tidetalk(home, ['backup'])).code, 2);
  });
});
