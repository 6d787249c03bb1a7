// covers: http, serve, docs/operating.md
// Clients that ask for large answers and read nothing: what waits for them is counted and bounded.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { statusOf } from './support/admin.mjs';
import { uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { RawConnection } from './support/raw.mjs';
import { assertError, withServer } from './support/suite.mjs';

const MIB = 1 << 20;

describe('answers that nobody reads', () => {
  const env = { TIDETALK_LIMITS_USER_UNREAD: '24MiB' };
  const context = withServer({ env });

  test('are bounded for one user, and others get theirs', async () => {
    const { server } = context;
    const user = await server.user();
    const session = uniqueName('long');
    for (let i = 0; i < 10; i += 1) await user.say('demo', session, `/help ${'sea '.repeat(230000)}`);
    const path = `/api/chat/sessions/${session}/messages?limit=100`;
    const waiting = [];
    for (let i = 0; i < 3; i += 1) {
      const connection = new RawConnection(server.port);
      connection.socket.pause();
      connection.request('GET', path, { token: user.token });
      waiting.push(connection);
      if (i < 2) await eventually(async () => (await statusOf(server)).unread > 8 * MIB * (i + 1), `${i + 1} wait`);
    }
    assertError(await eventually(async () => {
      const answer = await user.get(path);
      return answer.status === 429 && answer;
    }, 'no more is made'), 429, 'too_much_unread');
    assert.ok((await statusOf(server)).unread <= 24 * MIB);
    assert.equal((await user.get('/api/me')).status, 200, 'small answers are');
    const other = await server.user();
    await other.say('demo', session + 1, `/help ${'sea '.repeat(230000)}`);
    assert.equal((await other.messages(session + 1)).length, 2);
    for (const connection of waiting) connection.close();
    await eventually(async () => (await statusOf(server)).unread === 0, 'nothing waits');
    assert.equal((await user.messages(session)).length, 20);
  });
});
