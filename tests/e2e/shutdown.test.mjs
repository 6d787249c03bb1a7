// tsan
// late
// covers: app, http, chat, loop
// SIGTERM under load: what runs is ended in order, nothing is torn, everything told is stored.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { tasksOf } from './support/admin.mjs';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { RawConnection } from './support/raw.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';
import { assertError } from './support/suite.mjs';

const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');

describe('SIGTERM', () => {
  let mock;
  before(async () => { mock = await startMock(); }, { timeout: HANG_MS });
  after(async () => { await mock.stop(); }, { timeout: HANG_MS });

  const setup = async (drain) => {
    const server = await startServer({ env: { ...LOOPBACK, TIDETALK_DRAIN: drain } });
    return { server, user: await server.user() };
  };

  /** Opens streams in sessions of their own and waits until all of them run. */
  const openStreams = async (user, model, count) => {
    const sessions = Array.from({ length: count }, () => uniqueName('stream'));
    const readers = await Promise.all(sessions.map((session) => user.open(model, session, 'hi')));
    return readers.map((reader, i) => ({ reader, session: sessions[i] }));
  };

  test('lets replies within the drain limit come to their end', async () => {
    const { server, user } = await setup('60s');
    const streams = await openStreams(user, await user.model(mock.url('tokens=60,pace=20')), 20);
    const whole = user.say('model-1', uniqueName('whole'), 'hi');
    await eventually(async () => (await mock.stats()).active >= 21, 'all run');
    server.signal('SIGTERM');
    for (const { reader } of streams) {
      await within(reader.end(), 'the stream ends');
      assert.equal(reader.text, words(60));
      assert.equal(reader.last.finish_reason, 'stop');
    }
    assert.equal((await whole).response, words(60));
    assert.equal(await within(server.exited, 'the server ends'), 0);
    server.home.remove();
  });

  test('ends what takes longer with a last frame, and stores what there is', async () => {
    const { server, user } = await setup('2s');
    const { started } = await mock.stats();
    const quick = await user.model(mock.url('tokens=60,pace=5'));
    const endless = await user.model(mock.url('fault=endless,pace=10'));
    const silent = await user.model(mock.url('tokens=8,fault=hang_mid,at=3'));
    const streams = [
      ...await openStreams(user, quick, 10), ...await openStreams(user, endless, 10),
      ...await openStreams(user, silent, 5),
    ];
    await eventually(async () => (await mock.stats()).started >= started + 25, 'the streams run');
    const tasks = await tasksOf(server);
    const waiting = user.post('/api/chat/message', {
      session_id: streams.at(-1).session, model_name: quick, message: 'second',
    });
    const whole = user.post('/api/chat/message', {
      session_id: uniqueName('whole'), model_name: endless, message: 'hi',
    });
    await eventually(async () => (await mock.stats()).started >= started + 26, 'all run');
    await eventually(async () => await tasksOf(server) === tasks + 2, 'one waits for its turn, one for its reply');
    server.signal('SIGTERM');
    await Promise.all(streams.map(({ reader }) => within(reader.end(), 'the stream ends')));
    for (const answer of await within(Promise.all([waiting, whole]), 'both are answered')) {
      assert.equal(answer.status, 503, answer.text);
      assert.equal(answer.body.code, 'shutting_down');
    }
    assert.equal(await within(server.exited, 'the server ends'), 0, server.log().slice(-2000));
    for (const { reader } of streams.slice(0, 10)) assert.equal(reader.text, words(60));
    for (const { reader } of streams.slice(10)) assert.equal(reader.last.code, 'shutting_down');
    await server.start();
    for (const [i, { reader, session }] of streams.entries()) {
      const stored = await user.messages(session);
      assert.equal(stored.length, 2, 'what waited is not stored');
      const [asked, reply] = stored;
      assert.equal(asked.status, 'complete');
      assert.equal(reply.content, reader.text, 'what was told is what is stored');
      assert.equal(reply.status, i < 10 ? 'complete' : 'interrupted');
    }
    await server.stop();
    server.home.remove();
  });

  test('takes no new work', async () => {
    const { server, user } = await setup('60s');
    const [{ reader }] = await openStreams(user, await user.model(mock.url('tokens=100,pace=20')), 1);
    const idle = new RawConnection(server.port).request('GET', '/api/me', { token: user.token });
    await idle.until((text) => text.includes('user_id'));
    server.signal('SIGTERM');
    await within(idle.closed, 'kept-alive connections without a request are closed');
    // Until the listeners are closed it says that it is not ready; then nobody listens.
    await eventually(() => fetch(`${server.url}/readyz`, { headers: { Connection: 'close' } }).then(async (answer) => {
      const text = await answer.text();
      assert.ok(answer.status === 200 || answer.status === 503, text);
      return false;
    }, (error) => {
      // A connection that was made and not taken yet is reset when its listener is closed.
      assert.ok(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(error.cause?.code), String(error.cause));
      return error.cause.code === 'ECONNREFUSED';
    }), 'new connections are refused');
    assert.equal(reader.last?.done ?? false, false, 'while the reply still runs');
    await within(reader.end(), 'the stream ends');
    assert.equal(reader.text, words(100));
    assert.equal(await within(server.exited, 'the server ends'), 0);
    server.home.remove();
  });

  test('in the middle of everything leaves nothing behind', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { server, user } = await setup('300ms');
      const model = await user.model(mock.url('tokens=200,pace=2'));
      const readers = [];
      const loads = Array.from({ length: 30 }, async (_, i) => {
        let open = false;
        try {
          for (let turn = 0; ; turn += 1) {
            const reader = await user.open(model, `load-${i % 10}`, 'hi');
            readers.push(reader);
            open = true;
            await reader.end(); // a stream that began must end
            open = false;
          }
        } catch (error) {
          if (open) throw error;
          // Who was not let in any more was told so, or met no server.
          if (error.status) assertError(error, 503, 'shutting_down');
          else assert.ok(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(error.cause?.code), String(error.cause ?? error));
        }
      });
      await eventually(async () => (await mock.stats()).active >= 5, 'the load runs');
      server.signal('SIGTERM');
      await within(Promise.all(loads), 'all clients are told');
      assert.equal(await within(server.exited, 'the server ends'), 0, server.log().slice(-3000));
      await server.start();
      const { data } = await user.ok('GET', '/api/chat/sessions');
      assert.equal(data.length, 10);
      const replies = new Map();
      for (const { SessionID: session } of data) {
        const stored = await user.messages(session);
        stored.filter((m) => m.role === 'assistant').forEach((m) => replies.set(m.id, m));
        stored.forEach((m, i) => assert.equal(m.role, i % 2 ? 'assistant' : 'user'));
        assert.ok(stored.every((m) => m.status !== 'streaming'));
      }
      assert.ok(readers.length >= 5);
      for (const { text, last } of readers) {
        assert.equal(last.done, true);
        if (last.code) assert.equal(last.code, 'shutting_down');
        else assert.equal(text, words(200));
      }
      // Each end that was told is in the rows; an error's frame does not name its message.
      const whole = readers.filter(({ last }) => !last.code);
      for (const { text, last } of whole) {
        assert.equal(replies.get(last.message_id)?.content, text, 'what was told is what is stored');
        assert.equal(replies.get(last.message_id).status, 'complete');
      }
      const cut = [...replies.values()].filter((m) => m.status === 'interrupted');
      for (const { text } of readers.filter(({ last }) => last.code)) {
        assert.ok(cut.some((m) => m.content === text), 'so is a text that was cut');
      }
      await server.stop();
      server.home.remove();
    }
  });
});
