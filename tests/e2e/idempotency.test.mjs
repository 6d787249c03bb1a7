// late
// covers: web, db
// Requests sent again under the same Idempotency-Key are answered once.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { ask, keyHolder } from './support/door.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('an Idempotency-Key', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario) => {
    const { user } = await keyHolder(context.server);
    return { user, model: await user.model(context.mock.url(scenario)) };
  };
  const keyed = (key, more) => ({ headers: { 'Idempotency-Key': key, ...more } });
  const asked = async () => (await context.mock.stats()).requests;

  test('makes a chat message happen once', async () => {
    const { user, model } = await setup('');
    const session = uniqueName();
    const wish = { session_id: session, model_name: model, message: 'hi' };
    const first = await user.post('/api/chat/message', wish, keyed('k-1'));
    assert.equal(first.status, 200, first.text);
    assert.equal(first.headers.get('idempotent-replayed'), null);
    const before = await asked();
    const again = await user.post('/api/chat/message', wish, keyed('k-1'));
    assert.equal(again.status, 200);
    assert.equal(again.text, first.text);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.equal(again.headers.get('content-type'), first.headers.get('content-type'));
    assert.equal(await asked(), before);
    assert.equal((await user.messages(session)).length, 2);
    // Another key, or none, is another message.
    assert.equal((await user.post('/api/chat/message', wish, keyed('k-2'))).status, 200);
    assert.equal((await user.post('/api/chat/message', wish)).status, 200);
    assert.equal((await user.messages(session)).length, 6);
  });

  test('makes a completion happen once', async () => {
    const { user, model } = await setup('echo=count');
    const wish = { model, messages: ask('hi') };
    const first = await user.post('/v1/chat/completions', wish, keyed('c'));
    const again = await user.post('/v1/chat/completions', wish, keyed('c'));
    assert.equal(first.status, 200, first.text);
    assert.equal(again.text, first.text);
    assert.equal((await user.ok('GET', '/api/usage')).data[0].requests, 1);
  });

  test('stands for one request only', async () => {
    const { user, model } = await setup('');
    const wish = { model, messages: ask('hi') };
    assert.equal((await user.post('/v1/chat/completions', wish, keyed('one'))).status, 200);
    const other = await user.post('/v1/chat/completions', { ...wish, temperature: 1 }, keyed('one'));
    assert.equal(other.status, 422);
    assert.equal(other.body.error.code, 'idempotency_key_reused');
    assertError(await user.post('/api/chat/message', { session_id: uniqueName(), model_name: model, message: 'hi' },
      keyed('one')), 422, 'idempotency_key_reused');
    // Of one user: another may use the same.
    const stranger = await setup('');
    const theirs = await stranger.user.post('/v1/chat/completions',
      { model: stranger.model, messages: ask('hi') }, keyed('one'));
    assert.equal(theirs.status, 200);
    assert.equal(theirs.headers.get('idempotent-replayed'), null);
  });

  test('is refused while its first request runs, and answers when that has ended', async () => {
    const { user, model } = await setup('first=700');
    const wish = { model, messages: ask('hi') };
    const before = await asked();
    const first = user.post('/v1/chat/completions', wish, keyed('slow'));
    await eventually(async () => await asked() > before, 'the upstream is asked');
    const second = await user.post('/v1/chat/completions', wish, keyed('slow'));
    assert.equal(second.status, 409, second.text);
    assert.equal(second.body.error.code, 'idempotency_in_flight');
    assert.equal(second.headers.get('x-should-retry'), 'true');
    assert.equal(second.headers.get('retry-after-ms'), '1000');
    const other = await user.post('/v1/chat/completions', { ...wish, top_p: 1 }, keyed('slow'));
    assert.equal(other.status, 422);
    const { text } = await first;
    assert.equal((await user.post('/v1/chat/completions', wish, keyed('slow'))).text, text);
    assert.equal(await asked(), before + 1);
  });

  test('answers one of many that come at once, and the others later', async () => {
    const { user, model } = await setup('first=100');
    const session = uniqueName();
    const wish = { session_id: session, model_name: model, message: 'hi' };
    const answers = await Promise.all(Array.from({ length: 12 }, () =>
      eventually(async () => {
        const answer = await user.post('/api/chat/message', wish, keyed('many'));
        assert.ok([200, 409].includes(answer.status), answer.text);
        return answer.status === 200 && answer;
      }, 'it is answered')));
    assert.equal(new Set(answers.map((answer) => answer.text)).size, 1);
    assert.equal((await user.messages(session)).length, 2);
  });

  test('answers a client that comes back for what it did not wait for', async () => {
    const { user, model } = await setup('first=500');
    const wish = { model, messages: ask('hi') };
    const before = await asked();
    const controller = new AbortController();
    const leaving = user.post('/v1/chat/completions', wish, { ...keyed('gone'), signal: controller.signal });
    await eventually(async () => await asked() > before, 'the upstream is asked');
    controller.abort();
    await assert.rejects(leaving);
    const answer = await eventually(async () => {
      const again = await user.post('/v1/chat/completions', wish, keyed('gone'));
      return again.status === 200 && again;
    }, 'the answer is there');
    assert.equal(answer.headers.get('idempotent-replayed'), 'true');
    assert.ok(answer.body.choices[0].message.content.endsWith('tok7 '));
    assert.equal(await asked(), before + 1);
  });

  test('is free again after an error', async () => {
    const { user, model } = await setup('status=400,fails=1,id=idempotent');
    const wish = { model, messages: ask('hi') };
    assert.equal((await user.post('/v1/chat/completions', wish, keyed('failed'))).status, 400);
    const again = await user.post('/v1/chat/completions', wish, keyed('failed'));
    assert.equal(again.status, 200);
    assert.equal(again.headers.get('idempotent-replayed'), null);
  });

  test('is checked, and not taken with a stream', async () => {
    const { user, model } = await setup('');
    const wish = { model, messages: ask('hi') };
    for (const key of ['a b', 'é', 'x'.repeat(256)]) {
      const answer = await user.post('/v1/chat/completions', wish, keyed(key));
      assert.equal(answer.body.error.code, 'idempotency_key_invalid', key);
    }
    const stream = await user.post('/v1/chat/completions', { ...wish, stream: true }, keyed('stream'));
    assert.equal(stream.status, 400);
    assert.equal(stream.body.error.code, 'idempotency_stream');
    // What is wrong with the request is told first, and does not use the key up.
    const wrong = await user.post('/v1/chat/completions', { model }, keyed('stream'));
    assert.equal(wrong.body.error.param, 'messages');
    assert.equal((await user.post('/v1/chat/completions', wish, keyed('stream'))).status, 200);
  });

  test('survives a restart with what was answered', async () => {
    const { user, model } = await setup('');
    const wish = { model, messages: ask('hi') };
    const first = await user.post('/v1/chat/completions', wish, keyed('kept'));
    await context.server.kill();
    await context.server.start();
    const again = await user.post('/v1/chat/completions', wish, keyed('kept'));
    assert.equal(again.text, first.text);
  });
});
