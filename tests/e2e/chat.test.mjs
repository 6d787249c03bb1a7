// late
// bytes
// reloads
// postgres
// covers: chat, reply, upstream, models
// smoke
// Sending a message and waiting for the whole reply.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK, PERSONAS } from './support/server.mjs';
import { assertError, keysOf, withServer } from './support/suite.mjs';

describe('sessions are made', () => {
  const context = withServer();

  test('by asking for one', async () => {
    const user = await context.server.user();
    const body = await user.ok('POST', '/api/chat/session', { model_name: 'demo' });
    assert.deepEqual(keysOf(body), ['session_id']);
    assert.match(body.session_id, /^session_\d{19}$/);
    const other = await user.ok('POST', '/api/chat/session', { model_name: 'demo' });
    assert.notEqual(other.session_id, body.session_id);
    assert.deepEqual(await user.messages(body.session_id), []);
    await user.say('demo', body.session_id, 'hello');
    assert.equal((await user.messages(body.session_id)).length, 2);
  });

  test('by the first message to an id of ones own', async () => {
    const user = await context.server.user();
    for (const session of ['a', 'A-b_9', 'x'.repeat(49)]) {
      const id = `${session}${user.user.id}`.slice(-50);
      await user.say('demo', id, 'hello');
      assert.equal((await user.messages(id)).length, 2);
    }
    for (const session of ['', 'a b', 'ä', '潮', 'a/b', 'a.b', 'x'.repeat(51), 'a\n']) {
      const answer = await user.post('/api/chat/message', {
        session_id: session, model_name: 'demo', message: 'hello',
      });
      assert.equal(answer.status, 400, session);
    }
  });

  test('only for a model that there is and a persona that there is', async () => {
    const user = await context.server.user();
    for (const [path, more] of [
      ['/api/chat/session', {}],
      ['/api/chat/message', { session_id: 'none', message: 'hi' }],
      ['/api/chat/message/stream', { session_id: 'none', message: 'hi' }],
    ]) {
      const ask = (fields) => user.post(path, { ...more, ...fields });
      assertError(await ask({ model_name: 'gpt-x' }), 422, 'no_api_for_model');
      assertError(await ask({ model_name: 'demo', persona: 'Nobody' }), 422, 'unknown_persona');
      assertError(await ask({}), 400, 'missing_field');
    }
    assert.deepEqual((await user.ok('GET', '/api/chat/sessions')).data, []);
  });

  test('not of one of somebody else', async () => {
    const owner = await context.server.user();
    const { session_id: theirs } = await owner.ok('POST', '/api/chat/session', { model_name: 'demo' });
    const stranger = await context.server.user();
    const answer = await stranger.post('/api/chat/message', {
      session_id: theirs, model_name: 'demo', message: 'mine?',
    });
    assertError(answer, 404, 'session_not_found');
    assert.deepEqual(await owner.messages(theirs), []);
  });
});

describe('the demo model', () => {
  const context = withServer();

  test('answers without any configuration, in the language of the question', async () => {
    const user = await context.server.user();
    const body = await user.say('demo', 'demo-talk', 'Who are you?');
    assert.ok(body.response.includes('TideTalk'));
    assert.doesNotMatch(body.response.replaceAll('潮聊', ''), /\p{Script=Han}/u);
    assert.equal(typeof body.message_id, 'number');
    assert.equal(typeof body.user_message_id, 'number');
    const chinese = await user.say('demo', 'demo-talk', '你是谁？');
    assert.match(chinese.response, /潮聊/);
    const [, , asked, answered] = await user.messages('demo-talk');
    assert.deepEqual([asked.id, asked.content], [chinese.user_message_id, '你是谁？']);
    assert.deepEqual([answered.id, answered.content], [chinese.message_id, chinese.response]);
  });

  test('knows its commands', async () => {
    const user = await context.server.user();
    const { response } = await user.say('demo', 'commands', '/long 12');
    assert.equal(response.split('\n').length, 12);
    assertError(await user.post('/api/chat/message', {
      session_id: 'commands', model_name: 'demo', message: '/error',
    }), 502, 'upstream_failed');
  });

  test('gives way to a configuration of its name', async () => {
    const user = await context.server.user();
    await user.model('https://api.example.com/v1', { model_name: 'demo' });
    const { data } = await user.ok('GET', '/api/models');
    assert.deepEqual(data, [{ model_name: 'demo', provider: 'openai', builtin: false }]);
  });
});

describe('without the demo model', () => {
  const context = withServer({ env: { TIDETALK_DEMO: 'false' } });

  test('there is none', async () => {
    const user = await context.server.user();
    assert.deepEqual((await user.ok('GET', '/api/models')).data, []);
    assertError(await user.post('/api/chat/session', { model_name: 'demo' }), 422, 'no_api_for_model');
  });
});

describe('what the model is sent', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  const setup = async (scenario) => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url(scenario));
    const session = uniqueName('session');
    return { user, model, session, say: (message, more) => user.say(model, session, message, more) };
  };

  test("is the request's model and the user's words", async () => {
    const { user, model, say } = await setup('echo=model');
    assert.equal((await say('hi')).response, model);
    const { response } = await user.say(model, uniqueName('echo'), 'a "b"\n\t\\ 潮🌊\u2028 c', {
      BaseUrl: context.mock.url('echo=1'),
    });
    assert.equal(response, 'a "b"\n\t\\ 潮🌊\u2028 c');
  });

  test('is the first persona when none is named', async () => {
    const { user, session, say } = await setup('echo=system');
    assert.equal((await say('hi')).response, PERSONAS[0].content);
    assert.equal((await say('hi', { persona: '' })).response, PERSONAS[0].content);
    const { data } = await user.ok('GET', '/api/chat/sessions');
    assert.equal(data.find((s) => s.SessionID === session).Persona, PERSONAS[0].name);
  });

  test('is the named persona, from then on', async () => {
    const { user, model, say } = await setup('echo=system');
    assert.equal((await say('hi', { persona: 'Plain' })).response, PERSONAS[1].content);
    assert.equal((await say('hi')).response, PERSONAS[1].content);
    assert.equal((await say('hi', { persona: 'Other' })).response, PERSONAS[2].content);
    assert.equal((await say('hi')).response, PERSONAS[2].content);
    const made = await user.ok('POST', '/api/chat/session', { model_name: model, persona: 'Plain' });
    assert.equal((await user.say(model, made.session_id, 'hi')).response, PERSONAS[1].content);
  });

  test('is the end of the history, from a user turn on, and no more', async () => {
    const { user, model, session, say } = await setup('echo=1');
    for (let i = 1; i <= 12; i += 1) await say(`turn ${i}`);
    await context.mock.reset();
    const body = await user.say(model, session, 'turn 13', { BaseUrl: context.mock.url('echo=roles') });
    assert.equal(body.response, ['system', ...Array(10).fill('user,assistant'), 'user'].join(','));
    const { messages } = (await context.mock.requests(1))[0].json;
    const expected = [PERSONAS[0].content];
    for (let i = 3; i <= 12; i += 1) expected.push(`turn ${i}`, `turn ${i}`);
    assert.deepEqual(messages.map((m) => m.content), [...expected, 'turn 13']);
  });

  test('alternates after a turn that failed', async () => {
    const { user, session, say } = await setup('echo=roles');
    const fail = async (scenario) => {
      const answer = await user.post('/api/chat/message', {
        session_id: session, model_name: 'model-1', message: 'lost', BaseUrl: context.mock.url(scenario),
      });
      assert.equal(answer.status, 502, answer.text);
    };
    await fail('status=500');
    assert.equal((await say('one')).response, 'system,user');
    await fail('fault=refuse');
    await fail('status=500');
    assert.equal((await say('two')).response, 'system,user,assistant,user');
    await fail('tokens=8,fault=reset_mid,at=4'); // this one has a partial text, which stays
    assert.equal((await say('three')).response, 'system,user,assistant,user,assistant,user,assistant,user');
    const stored = await user.messages(session);
    assert.deepEqual(stored.map((m) => m.role), Array(7).fill(['user', 'assistant']).flat());
    assert.deepEqual(stored.filter((m) => m.role === 'assistant').map((m) => m.status),
      ['error', 'complete', 'error', 'error', 'complete', 'error', 'complete']);
  });

  test('goes to the address of the request, for this request only', async () => {
    const { user, say } = await setup('text=configured');
    const override = context.mock.url('text=override');
    for (const name of ['BaseUrl', 'base_url', 'baseUrl']) {
      assert.equal((await say('hi', { [name]: override })).response, 'override');
      assert.equal((await say('hi', { [name]: '' })).response, 'configured');
    }
    assert.equal((await user.ok('GET', '/api/user/apis/first')).api.base_url,
      context.mock.url('text=configured'));
  });

  test('goes to the oldest of several configurations of the model', async () => {
    const { user, model, say } = await setup('text=oldest');
    await user.model(context.mock.url('text=newer'), { model_name: model });
    assert.equal((await say('hi')).response, 'oldest');
    const { api } = await user.ok('GET', '/api/user/apis/first');
    await user.ok('DELETE', `/api/user/apis/${api.id}`);
    assert.equal((await say('hi')).response, 'newer');
  });

  test('is counted, and usage comes back', async () => {
    const { user, session, say } = await setup('tokens=5');
    const body = await say('hi');
    assert.deepEqual(body.usage, { input_tokens: 2, output_tokens: 5 });
    const [, reply] = await user.messages(session);
    assert.deepEqual(reply.usage, body.usage);
  });
});

describe('a message', () => {
  const context = withServer();

  test('must have words', async () => {
    const user = await context.server.user();
    for (const more of [{ message: '' }, {}, { message: null }, { message: '', file_ids: [] }]) {
      const answer = await user.post('/api/chat/message', { session_id: 'x', model_name: 'demo', ...more });
      assert.match(assertError(answer, 400, 'missing_field').error, /message/);
    }
    for (const more of [{ message: 1 }, { message: 'hi', file_ids: 'x' }, { message: 'hi', file_ids: ['1'] }]) {
      const answer = await user.post('/api/chat/message', { session_id: 'x', model_name: 'demo', ...more });
      assertError(answer, 400, 'invalid_field');
    }
    assert.deepEqual((await user.ok('GET', '/api/chat/sessions')).data, []);
  });

  test('names no file of somebody else, and none that is not there', async () => {
    const user = await context.server.user();
    const answer = await user.post('/api/chat/message', {
      session_id: 'x', model_name: 'demo', message: 'hi', file_ids: [1],
    });
    assertError(answer, 404, 'file_not_found');
  });
});
