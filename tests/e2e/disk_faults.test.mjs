// sqlite
// covers: db, files, base, app
// The n-th write, fsync or rename below the data folder fails with EIO or ENOSPC, alone or with those
// that follow it: whatever was acknowledged is there after a start without faults, nothing else is told,
// and the data folder is sound.
//
// TIDETALK_FAULT_ROUNDS: how many places of each fault (3); "all": every one.
// TIDETALK_FAULT_SEED: random; printed.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { faultAt, hasFaults, operations } from './support/faults.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK, Server, makeHome, tidetalk } from './support/server.mjs';
import { field, file, form, send } from './support/upload.mjs';

const ROUNDS = process.env.TIDETALK_FAULT_ROUNDS ?? '3';
const SEED = Number(process.env.TIDETALK_FAULT_SEED || randomInt(2 ** 31));
const LASTING = [1, 1, 3, 40]; // operations that fail in a row
const TOLD = [500, 502, 503, 507]; // nobody is told anything else

let mock;
before(async () => { mock = await startMock(); });
after(() => mock?.stop());

/** What a client does; `told` keeps what was acknowledged. */
async function use(server, told) {
  const ask = async (client, method, path, body, options) => {
    const answer = await client.request(method, path, body, options);
    if (answer.status !== 200) assert.ok(TOLD.includes(answer.status), `${method} ${path}: ${answer.text}`);
    return answer.status === 200 ? answer.body : null;
  };
  const client = server.client();
  // What was refused may be there after all, so each time by another name; the fault ends.
  const made = await eventually(() => ask(client, 'POST', '/api/register',
    { username: uniqueName('fault'), password: 'high-tide' }), 'an account is made');
  client.token = made.token;
  told.token = made.token;
  await eventually(() => ask(client, 'POST', '/api/user/apis', {
    api_name: uniqueName('m'), api_key: 'sk-0123456789', model_name: 'm', base_url: mock.url('echo=1'),
  }), 'a model is added');
  for (let i = 0; i < 6; i += 1) {
    const session = `s${i}`;
    const message = `tide ${i} ${'x'.repeat(2000)}`;
    const said = await ask(client, 'POST', '/api/chat/message', { session_id: session, model_name: 'm', message });
    if (said) told.messages.push([session, message]);
    const sent = said && await send(client, form(field('session_id', session), file(`${i}.txt`, `bytes ${i}`)));
    if (sent?.status === 200) told.files.push([session, `${i}.txt`]);
    else if (sent) assert.ok(TOLD.includes(sent.status), sent.text);
    if (said && i % 3 === 2) {
      const deleted = await ask(client, 'DELETE', `/api/chat/sessions/${session}`);
      (deleted ? told.deleted : told.unknown).push(session);
    }
  }
}

async function verify(server, told) {
  const client = server.client();
  client.token = told.token;
  if (!told.token) return;
  // A deletion that was refused while the disk failed may have been committed all the same.
  for (const session of told.unknown) {
    if ((await client.request('GET', `/api/chat/sessions/${session}/messages`)).status === 404) told.deleted.push(session);
  }
  for (const [session, message] of told.messages.filter(([s]) => !told.deleted.includes(s))) {
    const { messages } = await client.ok('GET', `/api/chat/sessions/${session}/export?format=json`);
    assert.deepEqual(messages.map((one) => [one.role, one.content]), [['user', message], ['assistant', message]]);
  }
  for (const [session, name] of told.files.filter(([s]) => !told.deleted.includes(s))) {
    const { data } = await client.ok('GET', `/api/files/session/${session}`);
    assert.ok(data.some((one) => one.FileName === name), `${name} of ${session} is lost`);
  }
  for (const session of told.deleted) {
    assert.equal((await client.request('GET', `/api/chat/sessions/${session}/messages`)).status, 404);
  }
}

/** A server in a folder of its own, with this fault; then once more without. */
async function round(fault, at, lasting) {
  const home = makeHome({ port: await freePort(), env: LOOPBACK });
  const told = { messages: [], files: [], deleted: [], unknown: [] };
  const port = Number(home.env.TIDETALK_LISTEN.split(':')[1]);
  const plain = { ...home.env };
  Object.assign(home.env, faultAt(home.dataDir, fault, at, { lasting }));
  const server = new Server(home, port);
  const started = await server.start().catch((error) => error);
  if (started === server) {
    await use(server, told);
    await server.stop();
  } else {
    // A start may fail, with a reason; it is no crash.
    assert.match(started.message, /the server ended \(2\)/, started.message);
  }
  const count = operations(home.dataDir);
  home.env = plain;
  const again = await new Server(home, port).start();
  await verify(again, told);
  await again.stop();
  const check = await tidetalk(home, ['check', '--data']);
  assert.equal(check.code, 0, check.stderr);
  home.remove();
  return { count, told };
}

describe('faults of the disk', () => {
  test('none is acknowledged and lost', { timeout: 60 * HANG_MS }, async (t) => {
    if (!hasFaults) return t.skip('needs the library of faults');
    const { count, told } = await round('EIO', 0, 0);
    assert.deepEqual([told.messages.length, told.files.length, told.deleted.length], [6, 6, 2]);
    assert.ok(count > 50, `${count} operations`);
    t.diagnostic(`${count} operations, seed ${SEED}`);
    let state = SEED;
    const below = (n) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const places = ROUNDS === 'all' ? Array.from({ length: count }, (_, i) => i + 1)
      : Array.from({ length: Number(ROUNDS) }, () => 1 + below(count));
    for (const fault of ['EIO', 'ENOSPC']) {
      for (const at of places) {
        const lasting = LASTING[below(LASTING.length)];
        try {
          await within(round(fault, at, lasting), 'a round', 2 * HANG_MS);
        } catch (error) {
          error.message = `${fault} at ${at} for ${lasting}, seed ${SEED}: ${error.message}`;
          throw error;
        }
      }
    }
    return undefined;
  });
});
