// sqlite
// covers: db, files, chat
// A disk that is full and then is not: what was acknowledged stays, everything else is told so. The
// data folder is a small file system of its own, mounted where only the server sees it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, openSync, closeSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { eventually, test, within } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK, Server, TIDETALK, makeHome } from './support/server.mjs';
import { assertError } from './support/suite.mjs';
import { list, newSession, field, file, form, send } from './support/upload.mjs';

const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;
const MOUNT = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"';

async function startOnSmallDisk() {
  const home = makeHome({ port: await freePort(), env: LOOPBACK });
  mkdirSync(home.dataDir);
  home.command = ['unshare', '-m', 'sh', '-c', MOUNT, home.dataDir, TIDETALK];
  return new Server(home, Number(home.env.TIDETALK_LISTEN.split(':')[1])).start();
}

const inside = (server) => join(`/proc/${server.pid}/root`, server.home.dataDir);

const RESERVE = 1024 * 1024;
const reserved = (server) => statSync(join(inside(server), 'reserve')).size;

/** Takes every byte that is left. */
function fill(server) {
  const fd = openSync(join(inside(server), 'filler'), 'w');
  const block = Buffer.alloc(4096);
  try {
    for (;;) writeSync(fd, block);
  } catch (error) {
    assert.equal(error.code, 'ENOSPC');
  } finally {
    closeSync(fd);
  }
}

const empty = (server) => rmSync(join(inside(server), 'filler'));

/** Writes messages until one is refused: the acknowledged ones, and the refusal. */
async function writeUntilRefused(user, session) {
  const acknowledged = [];
  for (let i = 0; i < 500; i += 1) {
    const message = `tide ${i} ${'.'.repeat(2000)}`;
    const answer = await user.post('/api/chat/message', {
      session_id: session, model_name: 'model-1', message,
    });
    if (answer.status !== 200) return { acknowledged, refused: answer };
    acknowledged.push(message);
  }
  return assert.fail('500 messages were stored on a full disk');
}

const storedBy = async (user, session) =>
  (await user.ok('GET', `/api/chat/sessions/${session}/export?format=json`)).messages
    .filter((message) => message.role === 'user').map((message) => message.content);

describe('a full disk', () => {
  test('is told, loses nothing, and is over when there is room again', async (t) => {
    if (!canMount) return t.skip('needs the right to mount (root)');
    const mock = await startMock();
    const server = await startOnSmallDisk();
    t.after(async () => {
      await server.stop();
      server.home.remove();
      await mock.stop();
    });
    const user = await server.user();
    await user.model(mock.url('tokens=4'));
    await user.model(mock.url('tokens=400,size=200,pace=20'), { model_name: 'long' });
    await user.model(mock.url('fault=endless,size=100,pace=20'), { model_name: 'endless' });
    const session = uniqueName('disk');
    await user.say('model-1', session, 'before');
    const upload = await newSession(user, 'model-1');

    const spoken = uniqueName('running');
    const running = await user.open('long', spoken, 'on and on');
    await running.until((reader) => reader.frames.length > 0);
    const stopped = uniqueName('stopped');
    const endless = await user.open('endless', stopped, 'on and on');
    await endless.until((reader) => reader.frames.length > 0);
    const other = await server.user();
    const key = await other.ok('POST', '/api/keys', { name: 'k' });
    assert.equal(reserved(server), RESERVE);
    fill(server);
    const { acknowledged, refused } = await writeUntilRefused(user, session);
    assertError(refused, 507, 'disk_full');
    assertError(await send(user, form(field('session_id', upload), file('a.txt', 'x'.repeat(100_000)))), 507, 'disk_full');
    assert.deepEqual(await list(user, upload), []);
    // Reading goes on, also of what the last successful write brought.
    assert.deepEqual(await storedBy(user, session), ['before', ...acknowledged]);
    for (const [method, path, body] of [
      ['POST', '/api/chat/session', { model_name: 'model-1' }], ['PATCH', `/api/chat/sessions/${session}`, { title: 'other' }],
      ['POST', '/api/user/apis', { api_name: 'x', api_key: 'sk-0123456789', model_name: 'x', base_url: mock.url('') }],
      ['POST', '/api/keys', { name: 'x' }],
    ]) assertError(await user.request(method, path, body), 507, 'disk_full');
    assertError(await server.client().post('/api/register', { username: uniqueName('late'), password: 'password-1234' }), 507, 'disk_full');

    // With the reserve, what deletes or ends something goes on.
    assert.equal(reserved(server), 0);
    assert.match(server.log(), /the disk is full/);
    await user.ok('POST', `/api/chat/sessions/${stopped}/stop`);
    await within(endless.end(), 'the stopped reply ends');
    assert.equal((await user.messages(stopped)).at(-1).content, endless.text);
    await within(running.end(), 'the running reply ends');
    assert.deepEqual([running.last.done, running.last.code], [true, undefined]);
    assert.ok(running.text.startsWith('tok0'), running.text.slice(0, 50));
    const reply = (await user.messages(spoken)).find((message) => message.id === running.last.message_id);
    assert.deepEqual([reply.status, reply.content], ['complete', running.text]);
    await user.ok('DELETE', `/api/chat/sessions/${stopped}`);
    assert.equal((await user.request('GET', `/api/chat/sessions/${stopped}/messages`)).status, 404);
    await other.ok('DELETE', `/api/keys/${key.id}`);
    const again = await other.again();
    await again.ok('POST', '/api/logout');
    assert.equal((await again.request('GET', '/api/me')).status, 401);
    assertError(await user.post('/api/chat/message', { session_id: session, model_name: 'model-1', message: 'x' }), 507, 'disk_full');

    empty(server);
    await eventually(async () => (await user.post('/api/chat/message', {
      session_id: session, model_name: 'model-1', message: 'after',
    })).status === 200, 'messages are stored again');
    assert.deepEqual(await storedBy(user, session), ['before', ...acknowledged, 'after']);
    assert.equal(reserved(server), RESERVE);
    assert.match(server.log(), /the disk has room again/);

    // As the disk is now, without a word of farewell: what a power failure would leave.
    const copy = makeHome({ port: await freePort(), env: LOOPBACK });
    server.signal('SIGSTOP');
    cpSync(inside(server), copy.dataDir, {
      recursive: true, filter: (path) => !/\.sock$|\/lock$/.test(path),
    });
    server.signal('SIGCONT');
    const second = await new Server(copy, Number(copy.env.TIDETALK_LISTEN.split(':')[1])).start();
    t.after(() => copy.remove());
    const later = second.client();
    later.token = user.token;
    assert.deepEqual(await storedBy(later, session), ['before', ...acknowledged, 'after']);
    return second.stop();
  });
});
