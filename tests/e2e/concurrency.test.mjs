// tsan
// late
// covers: reply, http, upstream, db
// Many streams at once: every byte arrives, in order, and is stored. How many is a setting, because
// sanitizers make the server several times slower: TIDETALK_E2E_STREAMS (200 by default).
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const STREAMS = Number(process.env.TIDETALK_E2E_STREAMS || 200);
const TOKENS = 60; // at 20 a second: three seconds in which all of them run
const EXPECTED = Array.from({ length: TOKENS }, (_, i) => `tok${i} `).join('');

describe(`${STREAMS} streams at once`, () => {
  // Most of them are one user's.
  const env = { ...LOOPBACK, TIDETALK_LIMITS_USER_REPLIES: '0' };
  const context = withServer({ env, mock: true });

  test('at 20 tokens a second: every byte arrives in order', async () => {
    const { server, mock } = context;
    const user = await server.user();
    const model = await user.model(mock.url(`tokens=${TOKENS},pace=50`));
    const sessions = Array.from({ length: STREAMS }, () => uniqueName('stream'));
    // A turn is begun by two commits; beginning all in one instant would test the client instead.
    const readers = [];
    for (let i = 0; i < STREAMS; i += 50) {
      readers.push(...await Promise.all(sessions.slice(i, i + 50)
        .map((session) => user.open(model, session, 'hi'))));
    }
    await Promise.all(readers.map((reader) => reader.end()));
    for (const reader of readers) {
      assert.equal(reader.text, EXPECTED);
      assert.equal(reader.last.finish_reason, 'stop');
    }
    for (const session of sessions) {
      const [asked, reply] = await user.messages(session);
      assert.deepEqual([asked.content, reply.content, reply.status], ['hi', EXPECTED, 'complete']);
    }
  });

  test('unpaced, from many users, each gets what is theirs', async () => {
    const { server, mock } = context;
    const users = await Promise.all(Array.from({ length: 8 }, () => server.user()));
    for (const user of users) await user.model(mock.url('echo=1,size=8'));
    const count = Math.ceil(STREAMS / users.length);
    await Promise.all(users.map(async (user, u) => {
      for (let i = 0; i < count; i += 1) {
        const message = `user ${u} message ${i} ${'潮'.repeat(i % 40)}`;
        const stream = await user.stream('model-1', `talk-${user.user.id}-${i % 3}`, message);
        assert.equal(stream.text, message);
      }
    }));
    for (const user of users) {
      const { pagination: { total } } = await user.ok('GET', '/api/chat/sessions');
      assert.equal(total, Math.min(3, count));
    }
  });

  test('while others do all kinds of things', async () => {
    const { server, mock } = context;
    const user = await server.user();
    const model = await user.model(mock.url('tokens=100,pace=10'));
    let streaming = true;
    const others = Promise.all(Array.from({ length: 6 }, async (_, i) => {
      const other = await server.user();
      for (let round = 0; streaming; round += 1) {
        const session = `busy-${i}-${round}`;
        assert.notEqual((await other.say('demo', session, '/help')).response, '');
        await other.ok('GET', '/api/chat/sessions');
        await other.ok('DELETE', `/api/chat/sessions/${session}`);
        await other.get('/api/user/apis/none');
      }
    }));
    const expected = Array.from({ length: 100 }, (_, i) => `tok${i} `).join('');
    const streams = await Promise.all(Array.from({ length: Math.ceil(STREAMS / 4) },
      () => user.stream(model, uniqueName('calm'), 'hi')));
    streaming = false;
    for (const stream of streams) assert.equal(stream.text, expected);
    await others;
  });
});
