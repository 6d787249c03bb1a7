// late
// bytes
// reloads
// covers: chat, reply
// A reply on its way: stopping it, and looking at what there is so far.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, keysOf, withServer } from './support/suite.mjs';

const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');

describe('stop', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario = 'fault=endless,pace=10') => {
    const user = await context.server.user();
    const session = uniqueName('session');
    return {
      user, session, model: await user.model(context.mock.url(scenario)),
      stop: () => user.ok('POST', `/api/chat/sessions/${session}/stop`, {}),
    };
  };

  test('ends a stream, keeps its text and leaves the upstream', async () => {
    const { user, model, session, stop } = await setup();
    const reader = await user.open(model, session, 'hi');
    await reader.until(() => reader.text.includes('tok3'));
    const { client_closed: closed } = await context.mock.stats();
    const body = await stop();
    assert.deepEqual(body, { stopped: true, message_id: reader.messageId });
    await reader.end();
    assert.equal(reader.last.finish_reason, 'stopped');
    const [, reply] = await user.messages(session);
    assert.deepEqual([reply.content, reply.status], [reader.text, 'stopped']);
    assert.ok(words(1000).startsWith(reply.content));
    await eventually(async () => (await context.mock.stats()).client_closed > closed, 'the upstream is left');
  });

  test('is no failure for the one who waits for the whole reply', async () => {
    const { user, model, session, stop } = await setup();
    const whole = user.say(model, session, 'hi');
    await eventually(async () => (await user.get(`/api/chat/recover?session_id=${session}`)).body
      .cached_response?.includes('tok3'), 'text has come');
    assert.equal((await stop()).stopped, true);
    const { response } = await whole;
    assert.ok(response.includes('tok3') && words(1000).startsWith(response));
  });

  test('before the first byte leaves an empty reply', async () => {
    const { user, model, session, stop } = await setup('fault=hang');
    const whole = user.say(model, session, 'hi');
    await eventually(async () => (await user.get(`/api/chat/recover?session_id=${session}`)).status === 200,
      'it runs');
    assert.equal((await stop()).stopped, true);
    assert.equal((await whole).response, '');
    const [, reply] = await user.messages(session);
    assert.deepEqual([reply.content, reply.status], ['', 'stopped']);
    // The next turn alternates all the same.
    const next = await user.say(model, session, 'again', { BaseUrl: context.mock.url('echo=roles') });
    assert.equal(next.response, 'system,user');
  });

  test('comes at once, before the first token as well', async (t) => {
    for (const scenario of ['fault=hang', 'fault=endless,pace=10']) {
      const { user, model, session, stop } = await setup(scenario);
      const viewer = user.open(model, session, 'hi');
      await eventually(async () => (await user.get(`/api/chat/recover?session_id=${session}`)).status === 200,
        'it runs');
      if (scenario !== 'fault=hang') await (await viewer).until((reader) => reader.text.includes('tok2'));
      const asked = performance.now();
      await stop();
      await (await viewer).until((reader) => reader.last);
      t.diagnostic(`${scenario}: the end frame came after ${(performance.now() - asked).toFixed(1)} ms`);
      assert.equal((await viewer).last.finish_reason, 'stopped');
      await (await viewer).end();
    }
  });

  test('ends those who wait for their turn, too', async () => {
    const { user, model, session, stop } = await setup();
    const running = await user.open(model, session, 'first');
    await running.until(() => running.text.includes('tok1'));
    const waiting = ['whole', 'stream'].map((how) => user.post(`/api/chat/message${how === 'stream' ? '/stream' : ''}`, {
      session_id: session, model_name: model, message: how,
    }));
    // They cannot be seen; whoever comes too late is the next to run, and stopped as well.
    const answers = Promise.all(waiting);
    let told = false;
    answers.then(() => { told = true; });
    await eventually(async () => { await stop(); return told; }, 'all are told');
    await running.end();
    assert.equal(running.last.finish_reason, 'stopped');
    for (const answer of await answers) {
      if (answer.status === 409) assertError(answer, 409, 'stopped');
      else assert.equal(answer.status, 200, answer.text);
    }
    const stored = await user.messages(session);
    const replies = stored.filter((m) => m.role === 'assistant');
    assert.ok(replies.every((m) => m.status === 'stopped'));
    assert.equal(replies[0].content, running.text, 'stored once');
    // Nothing is left in the way of the next.
    const next = await user.say(model, session, 'again', { BaseUrl: context.mock.url('tokens=2') });
    assert.equal(next.response, words(2));
  });

  test('is 200 when nothing runs, 404 for what is not there', async () => {
    const { user, model, session, stop } = await setup('tokens=2');
    await user.say(model, session, 'hi');
    assert.equal((await stop()).stopped, false);
    assertError(await user.post('/api/chat/sessions/none/stop', {}), 404, 'session_not_found');
    const stranger = await context.server.user();
    assertError(await stranger.post(`/api/chat/sessions/${session}/stop`, {}), 404, 'session_not_found');
  });
});

describe('recover', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('shows the text so far, to its owner', async () => {
    const user = await context.server.user();
    const stranger = await context.server.user();
    const model = await user.model(context.mock.url('tokens=200,pace=10'));
    const path = '/api/chat/recover?session_id=recovered';
    assert.equal((await user.get(path)).status, 404);
    const reader = await user.open(model, 'recovered', 'hi');
    await reader.until(() => reader.text.includes('tok5'));
    const body = await user.ok('GET', path);
    assert.deepEqual(keysOf(body), ['cached_response']);
    assert.ok(body.cached_response.startsWith(words(6)));
    assert.ok(words(200).startsWith(body.cached_response));
    assert.equal((await stranger.get(path)).status, 404);
    assertError(await user.get('/api/chat/recover'), 400, 'missing_field');
    await reader.end();
    assert.equal(reader.text, words(200));
  });
});
