// covers: reply, chat, lua/chat, lua/doors
// How many replies of one user may run at the same time, through both doors together.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { ask, keyHolder } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const LIMIT = 3;

describe(`${LIMIT} running replies of one user`, () => {
  const env = { ...LOOPBACK, TIDETALK_LIMITS_USER_REPLIES: String(LIMIT) };
  const context = withServer({ env, mock: true });

  const complete = ({ key }, model, more) => fetch(`${context.server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, messages: ask('hi'), ...more }),
  });

  test('one more is refused in each form, another user is not', async () => {
    const holder = await keyHolder(context.server);
    const { user } = holder;
    const model = await user.model(context.mock.url('tokens=100000,pace=20'));
    const running = [];
    for (let i = 0; i < LIMIT - 1; i += 1) running.push(await user.open(model, `talk-${i}`, 'hi'));
    const streamed = await complete(holder, model, { stream: true });
    assert.equal(streamed.status, 200);

    const refused = await user.post('/api/chat/message', {
      session_id: 'one-more', model_name: model, message: 'hi',
    });
    assertError(refused, 429, 'too_many_replies');
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    assert.equal((await user.get('/api/chat/sessions/one-more/messages')).status, 404, 'nothing is stored');

    const door = await complete(holder, model);
    assert.equal(door.status, 429);
    assert.ok(Number(door.headers.get('retry-after')) >= 1);
    const { error } = await door.json();
    assert.equal(error.code, 'too_many_replies');

    const other = await context.server.user();
    assert.notEqual((await other.say('demo', uniqueName('session'), '/help')).response, '');

    await user.ok('POST', '/api/chat/sessions/talk-0/stop', {});
    await running[0].end();
    assert.notEqual((await user.say('demo', 'one-more', '/help')).response, '', 'its place is free');
    await user.ok('POST', '/api/chat/sessions/talk-1/stop', {});
    await streamed.body.cancel();
  });
});
