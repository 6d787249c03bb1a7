// sqlite
// covers: db
// A disk that takes the log of the database but is slow to take the database file itself, as one is that
// others use: commits do not wait for the copy.
import assert from 'node:assert/strict';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { hasFaults, slowDisk } from './support/faults.mjs';
import { eventually, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK, Server, makeHome } from './support/server.mjs';

const LARGE = 'x'.repeat(900 << 10);
const COUNT = 20;
const PASS = 4000 * 4096; // so much of the log begins a copy (core/db/sqlite_checkpoint.c)

describe('a slow disk', () => {
  test('holds up no commit by the copy of the log', async (t) => {
    if (!hasFaults) return t.skip('needs the library of faults');
    const port = await freePort();
    const home = makeHome({ port, env: LOOPBACK });
    const mock = await startMock();
    const hold = join(home.folder, 'hold');
    const plain = { ...home.env };
    Object.assign(home.env, slowDisk(home.dataDir, hold));
    const server = await new Server(home, port).start();
    const user = await server.user();
    const wal = () => statSync(join(home.dataDir, 'tidetalk.db-wal'), { throwIfNoEntry: false })?.size ?? 0;

    writeFileSync(hold, '');
    const model = await user.model(mock.url('tokens=1'));
    for (let i = 0; i < COUNT; i += 1) await user.say(model, `session-${i}`, LARGE);
    assert.ok(wal() > PASS, `${wal()} bytes: nothing could leave the log`);
    await user.say(model, 'last', 'and after a copy has begun');
    rmSync(hold);
    await eventually(() => statSync(join(home.dataDir, 'tidetalk.db')).size > PASS, 'it is copied');
    await server.stop();

    home.env = plain;
    const again = await new Server(home, port).start();
    const client = again.client();
    client.token = user.token;
    for (let i = 0; i < COUNT; i += 1) {
      const [first] = await client.messages(`session-${i}`);
      assert.equal(first.content.length, LARGE.length);
    }
    await again.stop();
    await mock.stop();
    home.remove();
    return undefined;
  });
});
