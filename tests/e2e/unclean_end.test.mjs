// sqlite
// covers: app, db
// A start after an end that was not clean examines the database, and refuses a damaged one.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { test } from './support/limits.mjs';
import { startServer, tidetalk } from './support/server.mjs';

const homes = [];
after(() => homes.forEach((home) => home.remove()));

async function started() {
  const server = await startServer();
  homes.push(server.home);
  server.marker = join(server.home.dataDir, 'running');
  server.owner = await server.user();
  return server;
}

test('the database is examined after a SIGKILL, and only then', async () => {
  const server = await started();
  assert.doesNotMatch(server.log(), /the last end was not clean/);
  await server.kill();
  assert.ok(existsSync(server.marker));
  await server.start();
  assert.match(server.log(), /the last end was not clean.*[^]*the database is sound/);
  await server.owner.ok('GET', '/api/me');
  await server.stop();
  assert.ok(!existsSync(server.marker));
  await server.start();
  assert.doesNotMatch(server.log(), /the last end was not clean/);
  await server.stop();
});

test('a damaged database is refused, and stays refused', async () => {
  const server = await started();
  await server.stop(); // everything is in the file itself, not in the log
  const file = join(server.home.dataDir, 'tidetalk.db');
  const sound = readFileSync(file);
  const damaged = Buffer.from(sound);
  // A page of a late table: what a start reads itself is sound.
  damaged.fill(0x5a, damaged.length - 4096 * 2, damaged.length - 4096);
  writeFileSync(file, damaged);
  writeFileSync(server.marker, '');
  for (let i = 0; i < 2; i += 1) {
    const { code, stderr } = await tidetalk(server.home, ['serve']);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /tidetalk\.db is damaged: .*tidetalk restore.*--accept-loss/);
  }
  assert.ok(damaged.equals(readFileSync(file)), 'nothing was changed');
  await server.start(['--accept-loss']);
  assert.match(server.log(), /loss accepted: the start goes on with a damaged database/);
  await server.stop();

  writeFileSync(file, sound);
  writeFileSync(server.marker, '');
  await server.start();
  await server.owner.ok('GET', '/api/me');
  await server.stop();
});
