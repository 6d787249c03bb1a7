// tsan
// covers: http, chat, reply
// Clients that leave in the middle, and several that send into one session at once.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { RawConnection } from './support/raw.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');

describe('a client leaves', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario) => {
    const user = await context.server.user();
    return { user, model: await user.model(context.mock.url(scenario)), session: uniqueName('session') };
  };

  const begin = ({ user, model, session }, path) => new RawConnection(context.server.port)
    .request('POST', path, {
      token: user.token, body: { session_id: session, model_name: model, message: 'hi' },
    });

  const finished = (user, session, count = 2) => eventually(async () => {
    const answer = await user.get(`/api/chat/sessions/${session}/messages`);
    const list = answer.body.data ?? [];
    return list.length === count && list.every((m) => m.status !== 'streaming') && list;
  }, 'the reply is finished');

  for (const how of ['close', 'reset']) {
    test(`by ${how} in the middle of a stream: the reply is finished and stored once`, async () => {
      const talk = await setup('tokens=60,pace=10');
      const connection = begin(talk, '/api/chat/message/stream');
      await connection.until((text) => text.includes('tok5'));
      connection[how]();
      const [asked, reply] = await finished(talk.user, talk.session);
      assert.deepEqual([asked.role, asked.content], ['user', 'hi']);
      assert.deepEqual([reply.role, reply.status, reply.content], ['assistant', 'complete', words(60)]);
      const { data: [session] } = await talk.user.ok('GET', '/api/chat/sessions');
      assert.equal(session.MessageCount, 2);
    });

    test(`by ${how} before the first byte: the reply is finished and stored once`, async () => {
      const talk = await setup('tokens=5,first=300');
      for (const path of ['/api/chat/message/stream', '/api/chat/message']) {
        const before = (await context.mock.stats()).started;
        const connection = begin({ ...talk, session: talk.session + path.length }, path);
        await eventually(async () => (await context.mock.stats()).started > before, 'the upstream is asked');
        connection[how]();
        const [, reply] = await finished(talk.user, talk.session + path.length);
        assert.deepEqual([reply.status, reply.content], ['complete', words(5)]);
      }
    });
  }

  test('many leave at any moment: each reply is finished and stored once', async () => {
    const talk = await setup('tokens=40,pace=5');
    const sessions = Array.from({ length: 24 }, (_, i) => `${talk.session}-${i}`);
    await Promise.all(sessions.map(async (session, i) => {
      const connection = begin({ ...talk, session }, '/api/chat/message/stream');
      await connection.until((text) => text.includes(`tok${i}`));
      connection[i % 2 ? 'close' : 'reset']();
    }));
    for (const session of sessions) {
      const [, reply] = await finished(talk.user, session);
      assert.deepEqual([reply.status, reply.content], ['complete', words(40)]);
    }
  });

  test('a client that reads nothing holds nobody up', async () => {
    const talk = await setup('tokens=20000,size=200'); // more than a socket takes
    const connection = begin(talk, '/api/chat/message/stream');
    connection.socket.pause();
    const [, reply] = await finished(talk.user, talk.session);
    assert.equal(reply.content.length, 4_000_000);
    connection.socket.resume();
    await connection.until((text) => text.includes('"done":true'));
    connection.close();
  });
});

describe('two clients in one session', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario) => {
    const user = await context.server.user();
    return { user, model: await user.model(context.mock.url(scenario)), session: uniqueName('session') };
  };

  test('are put in order, whatever connection they use', async () => {
    const { user, model, session } = await setup('echo=1,first=20');
    for (let round = 0; round < 8; round += 1) {
      // A connection each, so that workers take them as they come.
      const connections = ['left', 'right'].map((side) => new RawConnection(context.server.port)
        .request('POST', side === 'left' ? '/api/chat/message' : '/api/chat/message/stream', {
          token: user.token,
          headers: { Connection: 'close' },
          body: { session_id: session, model_name: model, message: `${side} ${round}` },
        }));
      const answered = (text) => /"done":true|"response"/.test(text);
      await Promise.all(connections.map((connection) => connection.until(answered)));
    }
    const stored = await user.messages(session);
    assert.equal(stored.length, 32);
    stored.forEach((message, i) => {
      assert.equal(message.role, i % 2 ? 'assistant' : 'user');
      assert.equal(message.parent_id, i ? stored[i - 1].id : null, 'one path');
      if (i % 2) assert.equal(message.content, stored[i - 1].content, 'its own answer');
    });
    const { data: [{ MessageCount: count }] } = await user.ok('GET', '/api/chat/sessions');
    assert.equal(count, 32);
    // Each request had the whole history before it.
    for (const { json } of await context.mock.requests(16)) {
      const roles = json.messages.slice(1).map((m) => m.role);
      assert.ok(roles.every((role, i) => role === (i % 2 ? 'assistant' : 'user')), roles.join());
    }
  });

  test('five at once are all answered', async () => {
    const { user, model, session } = await setup('echo=1,first=20');
    await Promise.all([0, 1, 2, 3, 4].map((i) => user.say(model, session, `m${i}`)));
    const stored = await user.messages(session);
    const asked = stored.filter((m) => m.role === 'user').map((m) => m.content);
    assert.deepEqual(asked.sort(), ['m0', 'm1', 'm2', 'm3', 'm4']);
  });

  test('four may wait, one more is told to come again', async () => {
    const { user, model, session } = await setup('fault=hang');
    const send = () => user.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
    const sent = [send()];
    await eventually(async () => (await user.get(`/api/chat/sessions/${session}/messages`)).status === 200,
      'the first one runs');
    for (let i = 0; i < 5; i += 1) sent.push(send());
    // Which of the five comes last is not ours to say: one of them is refused.
    const refused = await Promise.race(sent);
    assertError(refused, 429, 'session_busy');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    const statuses = (await Promise.all(sent)).map((answer) => answer.status);
    assert.deepEqual(statuses.sort(), [404, 404, 404, 404, 404, 429]);
  });

  test('sessions do not wait for each other', async () => {
    const { user, model, session } = await setup('echo=1,first=30000');
    const waiting = user.post('/api/chat/message', { session_id: session, model_name: model, message: 'slow' });
    await eventually(async () => (await user.get(`/api/chat/sessions/${session}/messages`)).status === 200,
      'the slow one runs');
    const quick = await user.say(model, uniqueName('quick'), 'quick', { BaseUrl: context.mock.url('echo=1') });
    assert.equal(quick.response, 'quick');
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    assertError(await waiting, 404, 'session_deleted');
  });

  test('a session that is deleted ends what runs and what waits in it', async () => {
    const { user, model, session } = await setup('tokens=1000,pace=20');
    const reader = await user.open(model, session, 'first');
    await reader.until(() => reader.text.includes('tok3'));
    const waiting = user.post('/api/chat/message', { session_id: session, model_name: model, message: 'second' });
    const other = await user.open('demo', uniqueName('other'), 'hello');
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    await reader.end();
    assert.equal(reader.last.code, 'session_deleted');
    const { status } = await waiting;
    // It may have slipped in behind the delete: then it began the session anew.
    assert.ok(status === 404 || status === 200, String(status));
    await other.end();
    assert.equal(other.last.finish_reason, 'stop');
    if (status === 404) {
      assertError(await user.get(`/api/chat/sessions/${session}/messages`), 404, 'session_not_found');
    }
  });
});
