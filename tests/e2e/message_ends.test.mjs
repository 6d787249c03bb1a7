// late
// covers: chat, lua/lib
// What a stored message says of its end: what the model thought, why it stopped, how it failed.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { eventually, test, within } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const TEXTS = {
  en: /^The connection to the model's provider broke\. Try again\.$/,
  zh: /^与模型提供方的连接中断，请重试。$/,
};

describe('the end of a reply', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario) => {
    const user = await context.server.user();
    const session = uniqueName('session');
    const model = await user.model(context.mock.url(scenario));
    return { user, model, session, path: `/api/chat/sessions/${session}` };
  };
  /** The reply as its session's messages and its export tell it. */
  const told = async (user, path) => {
    const [asked, reply] = (await user.ok('GET', `${path}/messages`)).data;
    const { messages: [, exported] } = await user.ok('GET', `${path}/export`);
    const { siblings, ...rest } = reply;
    assert.deepEqual(exported, rest, 'the export says the same');
    assert.deepEqual([asked.reasoning, asked.finish_reason, asked.error], ['', undefined, undefined]);
    return reply;
  };

  for (const finish of ['stop', 'length', 'content_filter']) {
    test(`is ${finish}, with the reasoning, sent whole or streamed`, async () => {
      const { user, model, session, path } = await setup(`tokens=3,reasoning=2,finish=${finish}`);
      const whole = await user.say(model, session, 'hi');
      assert.deepEqual([whole.reasoning, whole.finish_reason], ['think0 think1 ', finish]);
      const reply = await told(user, path);
      assert.deepEqual([reply.reasoning, reply.finish_reason, reply.error, reply.status],
        ['think0 think1 ', finish, undefined, 'complete']);
      const other = uniqueName('session');
      assert.equal((await user.stream(model, other, 'hi')).last.finish_reason, finish);
      const [, streamed] = await user.messages(other);
      assert.deepEqual([streamed.reasoning, streamed.finish_reason], ['think0 think1 ', finish]);
    });
  }

  test('is there while it runs, and stopped when somebody stops it', async () => {
    const { user, model, session, path } = await setup('tokens=5000,reasoning=2,pace=10');
    const whole = user.say(model, session, 'hi');
    let running;
    await eventually(async () => {
      const { body } = await user.get(`${path}/messages`);
      running = body.data?.[1];
      return running?.content.includes('tok1');
    }, 'text has come');
    assert.deepEqual([running.reasoning, running.finish_reason, running.error], ['think0 think1 ', undefined, undefined]);
    await user.ok('POST', `${path}/stop`, {});
    assert.deepEqual([(await whole).finish_reason, (await whole).reasoning], ['stopped', 'think0 think1 ']);
    const reply = await told(user, path);
    assert.deepEqual([reply.status, reply.finish_reason, reply.error], ['stopped', 'stopped', undefined]);
  });

  test('is an error with its reason, in the language of the one who asks', async () => {
    const { user, model, session, path } = await setup('tokens=6,reasoning=1,fault=reset_mid,at=4');
    const { last } = await user.stream(model, session, 'hi');
    assert.ok(last.error, 'it failed');
    const reply = await told(user, path);
    assert.deepEqual([reply.status, reply.finish_reason, reply.reasoning], ['error', 'error', 'think0 ']);
    for (const [language, text] of Object.entries(TEXTS)) {
      const headers = { 'Accept-Language': language };
      const { body } = await user.get(`${path}/messages`, { headers });
      const { error } = body.data[1];
      assert.equal(error.code, last.code);
      assert.match(error.text, text);
    }
    const stranger = await context.server.user();
    assertError(await stranger.get(`${path}/messages`), 404, 'session_not_found');
  });

  test('is an error also without a byte', async () => {
    const { user, model, session, path } = await setup('status=401');
    const answer = await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
    assertError(answer, 502, 'upstream_unauthorized');
    const reply = await told(user, path);
    assert.deepEqual([reply.status, reply.finish_reason, reply.content], ['error', 'error', '']);
    assert.deepEqual(reply.error, { code: 'upstream_unauthorized', text: answer.body.error });
  });
});

test('a reply that a crash cut off says so', async () => {
  const mock = await startMock();
  const server = await startServer({ env: LOOPBACK });
  const user = await server.user();
  const model = await user.model(mock.url('tokens=5000,reasoning=2,pace=10'));
  const live = await user.open(model, 'cut', 'hi');
  await live.until(() => live.text.length > 0);
  // A checkpoint is due after a second: what came later may be lost.
  await eventually(async () => (await user.ok('GET', '/api/chat/recover?session_id=cut')).cached_response.length > 900,
    'more than a second has passed');
  await server.kill();
  await within(live.until(() => false).catch(() => {}), 'the stream breaks');
  await server.start();
  const [, reply] = await user.messages('cut');
  assert.deepEqual([reply.status, reply.finish_reason, reply.reasoning],
    ['interrupted', 'interrupted', 'think0 think1 ']);
  assert.equal(reply.error.code, 'interrupted');
  assert.match(reply.error.text, /send the message again/);
  await server.stop();
  await mock.stop();
  server.home.remove();
});
