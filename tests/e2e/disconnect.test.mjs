// late
// covers: chat, reply, policy
// What a client's leaving does to its reply: the policy script decides, before the first token too,
// and nothing is left of those who went. Here models whose name says so are cancelled.
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { after, before, describe } from 'node:test';
import { statusOf, tasksOf } from './support/admin.mjs';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, pause, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { makeFolder } from './support/process.mjs';
import { RawConnection } from './support/raw.mjs';
import { copyScripts } from './support/scripts.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';
import { assertError } from './support/suite.mjs';

const POLICY = `
local M = {}
function M.choose(facts)
  assert(type(facts.stream) == "boolean" and facts.provider and facts.session_id)
  return facts.model_name:find("^cancel") and "cancel" or "detach"
end
return M
`;
const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');

describe('a client that leaves', () => {
  let server;
  let mock;
  let folder;
  let user;

  before(async () => {
    folder = makeFolder();
    const lua = copyScripts(folder, { 'policy/disconnect.lua': POLICY });
    mock = await startMock();
    // Replies that nobody waits for any more are what is tested, also more of them than a user may have.
    const env = { ...LOOPBACK, TIDETALK_LUA_DIR: lua, TIDETALK_LIMITS_USER_REPLIES: '0' };
    server = await startServer({ env });
    user = await server.user();
  }, { timeout: HANG_MS });

  after(async () => {
    await server.stop();
    server.home.remove();
    await mock.stop();
    rmSync(folder, { recursive: true });
  }, { timeout: HANG_MS });

  let models = 0;
  const model = (kind, scenario) => {
    models += 1;
    return user.model(mock.url(scenario), { api_name: `${kind}-${models}`, model_name: `${kind}-${models}` });
  };

  const begin = (name, session, { stream = true } = {}) => new RawConnection(server.port)
    .request('POST', `/api/chat/message${stream ? '/stream' : ''}`, {
      token: user.token, body: { session_id: session, model_name: name, message: 'hi' },
    });

  const lastOf = async (session) => {
    const { status, body } = await user.get(`/api/chat/sessions/${session}/messages`);
    return status === 200 ? body.data.at(-1) : null;
  };
  const ended = (session) => eventually(async () => {
    const reply = await lastOf(session);
    return reply && reply.status !== 'streaming' && reply;
  }, 'the reply ends');

  /** Does it, and waits until the upstream has seen its client close; ms between the two. */
  const untilClosed = async (leave) => {
    const { client_closed: before } = await mock.stats();
    const at = process.hrtime.bigint(); // CLOCK_MONOTONIC, as the mock's
    leave();
    const stats = await eventually(async () => {
      const now = await mock.stats();
      return now.client_closed > before && now;
    }, 'the upstream is left');
    const ms = Number(BigInt(stats.last_client_close_mono_ns) - at) / 1e6;
    assert.ok(ms < 5000, `a hang limit, it takes a few ms: ${ms}`);
    return ms;
  };

  test('cancels in the middle of the text, which is kept', async (t) => {
    const name = await model('cancel', 'fault=endless,pace=10');
    for (const how of ['close', 'reset']) {
      const session = uniqueName('middle');
      const connection = begin(name, session);
      await connection.until((text) => text.includes('tok5'));
      const ms = await untilClosed(() => connection[how]());
      t.diagnostic(`the upstream was left ${ms.toFixed(1)} ms after ${how}`);
      const reply = await ended(session);
      assert.equal(reply.status, 'stopped');
      assert.ok(reply.content.includes('tok5') && words(10000).startsWith(reply.content));
      const recovered = await user.ok('GET', `/api/chat/recover?session_id=${session}`);
      assert.equal(recovered.cached_response, reply.content);
    }
  });

  test('cancels before the first token, streamed and not', async (t) => {
    const name = await model('cancel', 'fault=hang');
    for (const stream of [true, false]) {
      const session = uniqueName('early');
      const { started } = await mock.stats();
      const connection = begin(name, session, { stream });
      await eventually(async () => (await mock.stats()).started > started, 'the upstream is asked');
      const ms = await untilClosed(() => connection.close());
      t.diagnostic(`the upstream was left after ${ms.toFixed(1)} ms`);
      const reply = await ended(session);
      assert.deepEqual([reply.status, reply.content], ['stopped', '']);
      assertError(await user.get(`/api/chat/recover?session_id=${session}`), 404, 'nothing_to_recover');
    }
  });

  test('cancels an answer that comes whole in the middle of its text', async () => {
    const name = await model('cancel', 'fault=endless,pace=10');
    const session = uniqueName('whole');
    const connection = begin(name, session, { stream: false });
    await eventually(async () => (await lastOf(session))?.content.includes('tok3'), 'text has come');
    await untilClosed(() => connection.close());
    const reply = await ended(session);
    assert.equal(reply.status, 'stopped');
    assert.ok(reply.content.includes('tok3'));
  });

  test('gives up its place in the queue, and its message is not stored', async () => {
    const name = await model('cancel', 'fault=endless,pace=10');
    const session = uniqueName('queue');
    const first = begin(name, session);
    await first.until((text) => text.includes('tok1'));
    const tasks = await tasksOf(server);
    const waiting = Array.from({ length: 5 }, () => begin(name, session));
    await eventually(() => waiting.some((connection) => connection.received.startsWith('HTTP/1.1 429 ')),
      'four wait, the fifth is refused');
    for (const connection of waiting) connection.close();
    const stop = () => user.ok('POST', `/api/chat/sessions/${session}/stop`, {});
    await eventually(async () => await tasksOf(server) === tasks, 'those that waited are gone');
    assert.equal((await statusOf(server)).replies_running, 1);
    assert.equal((await stop()).stopped, true);
    await first.until((text) => text.includes('"done":true'));
    await eventually(async () => (await statusOf(server)).sessions_busy === 0, 'the queue is empty');
    assert.equal((await user.messages(session)).length, 2);
    first.close();
  });

  test('leaves it to those who still watch', async () => {
    const name = await model('cancel', 'fault=endless,pace=10');
    const session = uniqueName('watched');
    const connection = begin(name, session);
    await connection.until((text) => text.includes('tok3'));
    const viewer = await user.resume(session);
    await viewer.until(() => viewer.text.includes('tok3'));
    connection.close();
    const { length } = viewer.text;
    await viewer.until(() => viewer.text.length > length + 200);
    await untilClosed(() => viewer.chunks.return());
    assert.equal((await ended(session)).status, 'stopped');
  });

  test('leaves the reply alone where the policy says so', async () => {
    const name = await model('detach', 'tokens=40,pace=10');
    for (const stream of [true, false]) {
      const session = uniqueName('detached');
      const { started } = await mock.stats();
      const connection = begin(name, session, { stream });
      await eventually(async () => (await mock.stats()).started > started, 'the upstream is asked');
      connection.close();
      const reply = await ended(session);
      assert.deepEqual([reply.status, reply.content], ['complete', words(40)]);
    }
  });

  test('ends what is not stored, whatever the policy says: nobody could come back to it', async () => {
    for (const [scenario, stream] of [['fault=endless,pace=10', true], ['fault=hang', true], ['fault=hang', false]]) {
      const name = await model('detach', scenario);
      const { started } = await mock.stats();
      const connection = new RawConnection(server.port).request('POST', '/v1/chat/completions', {
        token: user.token, body: { model: name, stream, messages: [{ role: 'user', content: 'hi' }] },
      });
      if (scenario === 'fault=hang') {
        await eventually(async () => (await mock.stats()).started > started, 'the upstream is asked');
      } else {
        await connection.until((text) => text.includes('tok3'));
      }
      await untilClosed(() => connection.close());
    }
  });

  test('a thousand times leaves nothing behind', async (t) => {
    const names = {
      text: await model('cancel', 'fault=endless,pace=5'),
      silent: await model('cancel', 'fault=hang'),
      detached: await model('detach', 'tokens=10,pace=5'),
    };
    const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length;
    await user.say(names.detached, uniqueName('warm'), 'hi');
    const base = descriptors();
    const started = Date.now();
    let next = 0;
    const leave = async () => {
      while (next < 1000) {
        next += 1;
        const [i, session] = [next, uniqueName('abort')];
        const connection = i % 4 === 0 ? begin(names.silent, session, { stream: i % 8 === 0 })
          : begin(i % 4 === 1 ? names.detached : names.text, session, { stream: i % 3 > 0 });
        if (i % 4 === 2 && i % 3 > 0) await connection.until((text) => text.includes('tok1'));
        else await pause(i % 40); // also before the request was read
        connection[i % 2 ? 'close' : 'reset']();
      }
    };
    await Promise.all(Array.from({ length: 24 }, leave));
    t.diagnostic(`1,000 aborts took ${Date.now() - started} ms`);
    const status = await eventually(async () => {
      const now = await statusOf(server);
      return now.replies_running === 0 && now.sessions_busy === 0 && now.reply_memory === 0 && now;
    }, 'no reply, no turn, no log is left', 20_000).catch(async () => assert.fail(JSON.stringify(await statusOf(server))));
    assert.equal(status.database.waiting, 0);
    // One kept upstream connection a worker, and what this test itself keeps open.
    await eventually(async () => descriptors() <= base + 8, `descriptors are closed: ${base}, ${descriptors()}`);
    await eventually(async () => (await mock.stats()).active === 0, 'no upstream is asked any more');
    assert.equal((await user.say(names.detached, uniqueName('after'), 'hi')).response, words(10));
  });
});
