// tsan
// SIGTERM under load: what runs is ended in order, nothing is torn, everything told is stored.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, pause, test, within } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { RawConnection } from './support/raw.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';

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
    const waiting = user.post('/api/chat/message', {
      session_id: streams.at(-1).session, model_name: quick, message: 'second',
    });
    const whole = user.post('/api/chat/message', {
      session_id: uniqueName('whole'), model_name: endless, message: 'hi',
    });
    await eventually(async () => (await mock.stats()).started >= started + 26, 'all run');
    await pause(500); // the waiting one cannot be seen anywhere
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
    for (const { reader, session } of streams) {
      const [asked, reply] = await user.messages(session);
      assert.equal(asked.status, 'complete');
      assert.equal(reply.content, reader.text, 'what was told is what is stored');
      assert.ok(['complete', 'error', 'interrupted', 'stopped'].includes(reply.status), reply.status);
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
    await eventually(() => fetch(`${server.url}/readyz`, { headers: { Connection: 'close' } })
      .then((answer) => answer.arrayBuffer().then(() => answer.status === 503), () => true),
    'new connections are refused');
    await within(reader.end(), 'the stream ends');
    assert.equal(reader.text, words(100));
    assert.equal(await within(server.exited, 'the server ends'), 0);
    server.home.remove();
  });

  test('in the middle of everything leaves nothing behind', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { server, user } = await setup('300ms');
      const model = await user.model(mock.url('tokens=200,pace=2'));
      const loads = Array.from({ length: 30 }, async (_, i) => {
        const readers = [];
        try {
          for (let turn = 0; ; turn += 1) {
            const reader = await user.open(model, `load-${i % 10}`, 'hi');
            readers.push(reader);
            await reader.end();
          }
        } catch (error) {
          // Refused connections and errors with a status are fine; a stream that began must end.
          if (readers.length && !readers.at(-1).last) throw error;
        }
      });
      await eventually(async () => (await mock.stats()).active >= 5, 'the load runs');
      server.signal('SIGTERM');
      await within(Promise.all(loads), 'all clients are told');
      assert.equal(await within(server.exited, 'the server ends'), 0, server.log().slice(-3000));
      await server.start();
      const { data } = await user.ok('GET', '/api/chat/sessions');
      for (const { SessionID: session } of data) {
        const stored = await user.messages(session);
        stored.forEach((m, i) => assert.equal(m.role, i % 2 ? 'assistant' : 'user'));
        assert.ok(stored.every((m) => m.status !== 'streaming'));
      }
      await server.stop();
      server.home.remove();
    }
  });
});
