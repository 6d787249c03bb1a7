// late
// bytes
// reloads
// postgres
// covers: chat
// A conversation is a tree: new replies to an old message, and other ways on from an old reply.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK, PERSONAS } from './support/server.mjs';
import { assertError, keysOf, withServer } from './support/suite.mjs';

describe('branches', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  /** A session with two turns: asked, replied, asked, replied. */
  const setup = async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    const session = uniqueName('session');
    const say = (message, more) => user.say(model, session, message, more);
    const first = await say('one');
    const second = await say('two');
    const path = async (leaf) => (await user.ok('GET',
      `/api/chat/sessions/${session}/messages${leaf ? `?leaf=${leaf}` : ''}`)).data;
    return { user, model, session, say, first, second, path };
  };
  const lastRequest = async () => (await context.mock.requests(1))[0].json.messages.slice(1)
    .map((m) => m.content);

  test('a reply is made anew beside the old one', async () => {
    const { user, say, first, second, path } = await setup();
    const again = await say(undefined, { regenerate: second.message_id });
    assert.equal(again.response, 'two');
    assert.equal(again.user_message_id, second.user_message_id);
    assert.notEqual(again.message_id, second.message_id);
    assert.deepEqual(await lastRequest(), ['one', 'one', 'two']);
    const now = await path();
    assert.deepEqual(now.map((m) => m.id),
      [first.user_message_id, first.message_id, second.user_message_id, again.message_id]);
    assert.deepEqual(now.at(-1).siblings, [second.message_id, again.message_id]);
    assert.deepEqual((await path(second.message_id)).at(-1).id, second.message_id);
    const { data: [{ MessageCount: count }] } = await user.ok('GET', '/api/chat/sessions');
    assert.equal(count, 5);
  });

  test('a message continues from an earlier reply', async () => {
    const { say, first, second, path } = await setup();
    const other = await say('other', { parent_id: first.message_id });
    assert.deepEqual(await lastRequest(), ['one', 'one', 'other']);
    const now = await path();
    assert.deepEqual(now.map((m) => m.content), ['one', 'one', 'other', 'other']);
    assert.deepEqual(now[2].siblings, [second.user_message_id, other.user_message_id]);
    await say('more');
    assert.deepEqual(await lastRequest(), ['one', 'one', 'other', 'other', 'more']);
    assert.deepEqual((await path(second.message_id)).map((m) => m.content), ['one', 'one', 'two', 'two']);
  });

  test('streams branch too', async () => {
    const { user, model, session, second } = await setup();
    const stream = await user.stream(model, session, undefined, { regenerate: second.message_id });
    assert.equal(stream.text, 'two');
    assert.equal(stream.last.user_message_id, second.user_message_id);
  });

  test('only from what there is in this session', async () => {
    const { user, model, session, first, second, path } = await setup();
    const elsewhere = await user.say(model, uniqueName('elsewhere'), 'hi');
    const stranger = await setup();
    const send = (more) => user.post('/api/chat/message', {
      session_id: session, model_name: model, message: 'hi', ...more,
    });
    for (const id of [elsewhere.message_id, stranger.first.message_id, 999999999, Number.MAX_SAFE_INTEGER]) {
      assertError(await send({ parent_id: id }), 404, 'message_not_found');
      assertError(await send({ regenerate: id }), 404, 'message_not_found');
      const answer = await user.get(`/api/chat/sessions/${session}/messages?leaf=${id}`);
      assertError(answer, 404, 'message_not_found');
    }
    for (const more of [{ parent_id: first.user_message_id }, { regenerate: second.user_message_id }]) {
      const { status } = await send(more);
      assert.ok([400, 422].includes(status), String(status));
    }
    for (const value of ['1', 1.5, -1, true]) {
      assertError(await send({ parent_id: value }), 400, 'invalid_field');
      assertError(await send({ regenerate: value }), 400, 'invalid_field');
    }
    assert.equal((await path()).length, 4);
  });
});

describe('changing a session by hand', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('touches title, persona and model, as far as they are named', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=system'));
    const session = uniqueName('session');
    await user.say(model, session, 'hi');
    const patch = async (fields) => {
      const body = await user.ok('PATCH', `/api/chat/sessions/${session}`, fields);
      assert.deepEqual(keysOf(body), ['session']);
      return body.session;
    };
    let before = (await user.ok('GET', '/api/chat/sessions')).data[0];
    for (const [fields, changed] of [
      [{ title: '新的标题 🌊' }, { Title: '新的标题 🌊' }],
      [{ persona: 'Plain' }, { Persona: 'Plain' }],
      [{ model_name: 'demo' }, { ModelName: 'demo' }],
      [{}, {}],
    ]) {
      const { UpdatedAt: _, ...now } = await patch(fields);
      const { UpdatedAt: __, ...expected } = { ...before, ...changed };
      assert.deepEqual(now, expected);
      before = now;
    }
    assert.equal((await user.say(model, session, 'hi')).response, PERSONAS[1].content);
  });

  test('refuses what there is not', async () => {
    const user = await context.server.user();
    const { session_id: session } = await user.ok('POST', '/api/chat/session', { model_name: 'demo' });
    const patch = (fields) => user.request('PATCH', `/api/chat/sessions/${session}`, fields);
    assertError(await patch({ persona: 'Nobody' }), 422, 'unknown_persona');
    assertError(await patch({ model_name: 'gpt-x' }), 422, 'no_api_for_model');
    assertError(await patch({ title: 7 }), 400, 'invalid_field');
    assertError(await patch({ title: 'x'.repeat(201) }), 400, 'invalid_field');
    assertError(await user.request('PATCH', '/api/chat/sessions/none', { title: 'x' }), 404, 'session_not_found');
  });
});
