// covers: models, providers, chat, upstream
// What a configuration, a session and a request add to what a provider is asked.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('options', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  /** A new user's configuration; `api` is what its answer shows. */
  const configured = async (more) => {
    const user = await context.server.user();
    const { api } = await user.ok('POST', '/api/user/apis', {
      api_name: 'mine', api_key: user.apiKey, model_name: 'm', base_url: context.mock.url('tokens=2'), ...more,
    });
    return { user, api };
  };

  /** Sends a message: the request that the upstream got. */
  const sent = async (user, more = {}, session = uniqueName('options')) => {
    await context.mock.reset();
    await user.say('m', session, 'hi', more);
    const [request] = await context.mock.requests();
    return request;
  };

  /** A completion at the OpenAI door: the request that the upstream got. */
  const completed = async (user, more = {}) => {
    await context.mock.reset();
    await user.ok('POST', '/v1/chat/completions', {
      model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more,
    });
    const [request] = await context.mock.requests();
    return request;
  };

  const OPTIONS = {
    temperature: 0.25, max_tokens: 50, thinking: { effort: 'low' }, extra_body: { seed: 7, a: { b: [] } },
  };

  test('of a configuration are shown and sent, on each way', async () => {
    const { user, api } = await configured({ options: OPTIONS });
    assert.deepEqual(api.options, OPTIONS);
    for (const { json } of [await sent(user), await completed(user)]) {
      assert.equal(json.temperature, 0.25);
      assert.equal(json.max_tokens, 50);
      assert.equal(json.reasoning_effort, 'low');
      assert.equal(json.seed, 7);
      assert.deepEqual(json.a, { b: [] });
      assert.equal(json.model, 'm');
    }
  });

  test('that nobody has add nothing', async () => {
    const { user, api } = await configured();
    assert.deepEqual(api.options, {});
    const { json } = await sent(user);
    assert.deepEqual(Object.keys(json), ['messages', 'model', 'stream', 'stream_options']);
  });

  test('of a session are over those of the configuration, those of a request over both', async () => {
    const { user } = await configured({ options: OPTIONS });
    const { session_id: session } = await user.ok('POST', '/api/chat/session', {
      model_name: 'm', options: { temperature: 1, extra_body: { seed: 8 } },
    });
    const { json } = await sent(user, {}, session);
    assert.deepEqual([json.temperature, json.max_tokens, json.seed], [1, 50, 8]);
    assert.deepEqual(json.a, { b: [] });
    const { json: own } = await sent(user, {
      options: { temperature: 0, max_tokens: 9, thinking: { effort: 'high' } },
    }, session);
    assert.deepEqual([own.temperature, own.max_tokens, own.seed, own.reasoning_effort], [0, 9, 8, 'high']);
    const { json: later } = await sent(user, {}, session);
    assert.equal(later.temperature, 1, "a request's are not stored");
  });

  test('of a session are shown, changed and taken away', async () => {
    const { user } = await configured();
    const { session_id: session } = await user.ok('POST', '/api/chat/session', { model_name: 'm' });
    const change = (body) => user.ok('PATCH', `/api/chat/sessions/${session}`, body);
    assert.equal((await change({ title: 't' })).session.Options, undefined);
    const options = { temperature: 0.5, deadlines: { between: 60000 } };
    assert.deepEqual((await change({ options })).session.Options, options);
    assert.deepEqual((await change({ title: 'u' })).session.Options, options);
    assert.deepEqual((await user.ok('GET', '/api/chat/sessions')).data[0].Options, options);
    assert.equal((await sent(user, {}, session)).json.temperature, 0.5);
    assert.deepEqual((await change({ options: {} })).session.Options, {});
    assert.equal((await sent(user, {}, session)).json.temperature, undefined);
  });

  test("a client's own members at the OpenAI door stay", async () => {
    const { user } = await configured({ options: OPTIONS });
    const { json } = await completed(user, { temperature: 0.75, max_completion_tokens: 3, seed: 1,
      reasoning_effort: 'minimal', a: 5 });
    assert.deepEqual([json.temperature, json.max_tokens, json.max_completion_tokens, json.seed,
      json.reasoning_effort, json.a], [0.75, undefined, 3, 1, 'minimal', 5]);
  });

  test('deadlines of a session and of a request hold', async () => {
    const { user } = await configured({ base_url: context.mock.url('fault=hang_mid,at=0') });
    const answer = await user.post('/api/chat/message', {
      session_id: uniqueName('d'), model_name: 'm', message: 'hi', options: { deadlines: { between: 200 } },
    });
    assertError(answer, 504, 'upstream_stalled');
    const { session_id: session } = await user.ok('POST', '/api/chat/session', {
      model_name: 'm', options: { deadlines: { between: 200 } },
    });
    assertError(await user.post('/api/chat/message', { session_id: session, model_name: 'm', message: 'hi' }),
      504, 'upstream_stalled');
  });

  test('that do not fit are refused, and say where', async () => {
    const user = await context.server.user();
    const fields = { api_name: 'a', api_key: 'sk-1', model_name: 'm' };
    for (const [options, field] of [
      [{ temperature: '1' }, 'options.temperature'], [{ temperature: 2.1 }, 'options.temperature'],
      [{ temperature: -1 }, 'options.temperature'], [{ max_tokens: 0 }, 'options.max_tokens'],
      [{ thinking: { effort: 'much' } }, 'options.thinking.effort'],
      [{ extra_body: [1] }, 'options.extra_body'], [{ extra_body: { model: 'x' } }, 'options.extra_body.model'],
      [{ extra_body: { messages: [] } }, 'options.extra_body.messages'],
      [{ extra_body: { x: 'x'.repeat(20000) } }, 'options'], [5, 'options'],
    ]) {
      const { error } = assertError(await user.post('/api/user/apis', { ...fields, options }), 400, 'invalid_field');
      assert.ok(error.includes(field), `${error}: ${field}`);
    }
    await user.model(context.mock.url('tokens=1'), { model_name: 'm' });
    assertError(await user.post('/api/chat/message', {
      session_id: 's', model_name: 'm', message: 'x', options: { temperature: 3 },
    }), 400, 'invalid_field');
  });

  test('headers are sent, masked in answers and sealed', async () => {
    const { user, api } = await configured({ headers: { 'X-Team': 'the-secret-value', 'anthropic-beta': 'b1' } });
    assert.deepEqual(api.headers, { 'X-Team': '…alue', 'anthropic-beta': '…' });
    for (const { headers } of [await sent(user), await completed(user)]) {
      assert.equal(headers['x-team'], 'the-secret-value');
      assert.equal(headers['anthropic-beta'], 'b1');
      assert.equal(headers.authorization, `Bearer ${user.apiKey}`);
    }
    const change = async (headers) =>
      (await user.ok('PUT', `/api/user/apis/${api.id}`, { headers })).api.headers;
    assert.deepEqual(await change({ 'X-Team': '…alue', 'X-New': 'n' }), { 'X-New': '…', 'X-Team': '…alue' });
    assert.equal((await sent(user)).headers['x-team'], 'the-secret-value', 'a mask leaves the value');
    assert.deepEqual(await change({}), {});
    assert.equal((await sent(user)).headers['x-team'], undefined);
  });

  test('headers that frame a request are refused, those with the key unless it is said', async () => {
    const { user, api } = await configured();
    for (const headers of [{ Host: 'x' }, { connection: 'close' }, { 'Content-Length': '5' },
      { 'Transfer-Encoding': 'chunked' }, { TE: 'trailers' }, { Upgrade: 'h2c' }, { 'Proxy-Authorization': 'x' },
      { 'a b': 'x' }, { 'a:': 'x' }, { '': 'x' }, { X: 'a\r\nHost: y' }, { X: '' }, { X: '潮' }, { X: 5 },
      { authorization: 'x' }, { 'X-Api-Key': 'x' }, { 'x-a': '1', 'X-A': '2' },
      Object.fromEntries([...Array(17).keys()].map((n) => [`X-${n}`, 'x']))]) {
      const replace = { replace_headers: !('authorization' in headers || 'X-Api-Key' in headers) };
      const answer = await user.put(`/api/user/apis/${api.id}`, { headers, ...replace });
      assertError(answer, 400, 'invalid_field');
    }
    await user.ok('PUT', `/api/user/apis/${api.id}`, {
      headers: { authorization: 'Basic abc' }, replace_headers: true,
    });
    assert.equal((await sent(user)).headers.authorization, 'Basic abc');
  });

  test('a model has a name for users and one for its provider', async () => {
    for (const upstream of ['vendor/model:free', 'models/x.y', 'a:b/c@d']) {
      const { user, api } = await configured({ upstream_model: upstream });
      assert.equal(api.upstream_model, upstream);
      assert.equal((await sent(user)).json.model, upstream);
      assert.equal((await completed(user)).json.model, upstream);
      assert.deepEqual((await user.ok('GET', '/api/models')).data.map((m) => m.model_name), ['m', 'demo']);
      assert.deepEqual((await user.ok('GET', '/api/usage')).data.map((row) => row.model_name), ['m']);
      const { api: cleared } = await user.ok('PUT', `/api/user/apis/${api.id}`, { upstream_model: '' });
      assert.equal(cleared.upstream_model, '');
      assert.equal((await sent(user)).json.model, 'm');
    }
  });

  test('embeddings have the alias and the headers', async () => {
    const { user } = await configured({ upstream_model: 'v/embed', headers: { 'X-Team': 'blue' } });
    await context.mock.reset();
    await user.ok('POST', '/v1/embeddings', { model: 'm', input: 'hi' });
    const [{ json, headers }] = await context.mock.requests();
    assert.deepEqual([json.model, headers['x-team']], ['v/embed', 'blue']);
  });
});
