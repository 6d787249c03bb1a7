// tsan
// late
// reloads
// covers: account, chat, upstream
// Tokens by day and model: exact under concurrency, marked where they were estimated.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { ask } from './support/door.mjs';
import { eventually, test } from './support/limits.mjs';
import { SseReader } from './support/sse.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, keysOf, withServer } from './support/suite.mjs';

describe('usage', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  const usageOf = async (user, query = '') => (await user.ok('GET', `/api/usage${query}`)).data;
  const today = () => new Date().toISOString().slice(0, 10);
  const complete = (user, model, more) => user.post('/v1/chat/completions', { model, messages: ask('hi'), ...more });

  test('is empty at first, and one row a day and model then', async () => {
    const user = await context.server.user();
    assert.deepEqual(await usageOf(user), []);
    const model = await user.model(context.mock.url('tokens=5'));
    const { usage } = await user.say(model, uniqueName(), 'hi');
    assert.deepEqual(usage, { input_tokens: 2, output_tokens: 5 });
    await user.say(await user.model(context.mock.url('tokens=7,reasoning=1'), { model_name: 'b' }), uniqueName(), 'hi');
    const rows = await usageOf(user);
    assert.deepEqual(keysOf(rows[0]), ['date', 'estimated', 'input_tokens', 'model_name', 'output_tokens',
      'possibly_charged_twice', 'requests']);
    assert.deepEqual(rows.map((row) => [row.model_name, row.requests, row.input_tokens, row.output_tokens, row.estimated]),
      [['b', 1, 2, 8, false], [model, 1, 2, 5, false]]);
    assert.ok(rows.every((row) => Math.abs(Date.parse(row.date) - Date.parse(today())) <= 86400e3));
  });

  test('adds up exactly when many requests of all kinds end at once', async () => {
    const users = await Promise.all([1, 2].map(() => context.server.user()));
    const sums = users.map(() => 0);
    await Promise.all(users.map(async (user, u) => {
      const model = await user.model(context.mock.url('tokens=3'));
      await Promise.all(Array.from({ length: 40 }, async (_, i) => {
        sums[u] += 3;
        if (i % 4 === 0) {
          await user.say(model, uniqueName(), 'hi');
        } else if (i % 4 === 1) {
          await user.stream(model, uniqueName(), 'hi');
        } else {
          const answer = await complete(user, model, { stream: i % 4 === 2 });
          assert.equal(answer.status, 200, answer.text);
        }
      }));
    }));
    for (const [u, user] of users.entries()) {
      const rows = await usageOf(user);
      assert.equal(rows.reduce((n, row) => n + row.requests, 0), 40);
      assert.equal(rows.reduce((n, row) => n + row.output_tokens, 0), sums[u]);
      // A message of the chat has the persona's prompt in front.
      assert.equal(rows.reduce((n, row) => n + row.input_tokens, 0), 20 * 2 + 20);
      assert.ok(rows.every((row) => !row.estimated));
    }
  });

  test('is estimated where the upstream does not tell, and marked so', async () => {
    const user = await context.server.user();
    // 8 words of 5 characters; "潮水" are two tokens, "hi" is one; a message has four on top.
    const model = await user.model(context.mock.url('usage=0'));
    const answer = await complete(user, model, { messages: ask('潮水hi') });
    assert.deepEqual(answer.body.usage,
      { prompt_tokens: 7, completion_tokens: 10, total_tokens: 17, estimated: true });
    const streamed = await complete(user, model, {
      messages: ask('潮水hi'), stream: true, stream_options: { include_usage: true },
    });
    assert.ok(streamed.text.includes('"usage":{"prompt_tokens":7,"completion_tokens":10,"total_tokens":17,"estimated":true}'));
    const session = uniqueName();
    const { usage } = await user.say(model, session, 'hi', { system_prompt: 'abcd' });
    assert.deepEqual(usage, { input_tokens: 10, output_tokens: 10, estimated: true });
    assert.deepEqual((await user.messages(session)).at(-1).usage, usage);
    const reader = await user.stream(model, session, 'hi', { system_prompt: 'abcd' });
    assert.equal(reader.frames.at(-1).data.usage.estimated, true);
    const [row] = await usageOf(user);
    assert.equal(row.requests, 4);
    assert.equal(row.output_tokens, 40);
    assert.equal(row.estimated, true);
    // The built-in model tells nothing either.
    await user.say('demo', uniqueName(), 'hello');
    assert.ok((await usageOf(user)).find((one) => one.model_name === 'demo').estimated);
  });

  test('counts what was begun, not what was refused', async () => {
    const user = await context.server.user();
    for (const scenario of ['status=401', 'status=500']) {
      const model = await user.model(context.mock.url(scenario));
      assert.equal((await complete(user, model)).status, 502);
    }
    assert.deepEqual(await usageOf(user), []);
    const model = await user.model(context.mock.url('fault=reset_mid,at=4,pace=20'));
    assert.equal((await complete(user, model)).status, 502);
    const [row] = await usageOf(user);
    assert.deepEqual([row.requests, row.output_tokens, row.estimated], [1, 5, true]);
  });

  test('counts for clients that have left, and for sessions that are gone', async () => {
    const user = await context.server.user();
    const endless = await user.model(context.mock.url('fault=endless,pace=5'));
    const controller = new AbortController();
    const response = await user.fetch('POST', '/v1/chat/completions',
      { model: endless, messages: ask('hi'), stream: true }, { signal: controller.signal });
    await response.body.getReader().read();
    controller.abort();
    const left = await eventually(async () => (await usageOf(user))[0], 'the aborted stream is counted');
    assert.ok(left.requests === 1 && left.estimated && left.input_tokens === 5);
    // One that leaves when it has all of the text, but not the end.
    const model = await user.model(context.mock.url('tokens=9,pace=2'), { model_name: 'last' });
    const leave = new AbortController();
    const leaving = new SseReader(await user.fetch('POST', '/api/chat/message/stream',
      { session_id: uniqueName(), model_name: model, message: 'hi' }, { signal: leave.signal }));
    await leaving.until((reader) => reader.text.includes('tok8'));
    leave.abort();
    const counted = await eventually(async () =>
      (await usageOf(user)).find((row) => row.model_name === 'last'), 'the reply is counted');
    assert.deepEqual([counted.requests, counted.output_tokens, counted.estimated], [1, 9, false]);
    const session = uniqueName();
    await user.say(model, session, 'hi');
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    assert.equal((await usageOf(user)).find((row) => row.model_name === 'last').requests, 2);
  });

  test('is asked for by days', async () => {
    const user = await context.server.user();
    await user.say('demo', uniqueName(), 'hello');
    const [{ date }] = await usageOf(user);
    for (const query of [`?from=${date}`, `?to=${date}`, `?from=${date}&to=${date}`, '?from=2000-01-01', '?from=&to=']) {
      assert.equal((await usageOf(user, query)).length, 1, query);
    }
    // Without a beginning: 30 days.
    const after = (days) => new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10);
    assert.equal((await usageOf(user, `?to=${after(29)}`)).length, 1);
    assert.equal((await usageOf(user, `?to=${after(30)}`)).length, 0);
    for (const query of ['?to=2000-02-29', '?to=2001-02-29', '?to=0000-01-05', '?from=2999-01-01', `?from=2000-01-01&to=2000-12-31`]) {
      assert.deepEqual(await usageOf(user, query), [], query);
    }
    for (const query of ['?from=yesterday', '?to=2026-13-01', '?from=2026-04-31', '?to=2026-1-1']) {
      assertError(await user.get(`/api/usage${query}`), 400, 'invalid_field');
    }
    assert.deepEqual(await usageOf(await context.server.user()), [], "nobody sees another's");
  });
});
