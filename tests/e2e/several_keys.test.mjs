// covers: models, upstream
// A configuration with several keys: they take turns, and one that is refused is followed by the next.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { startKeyed } from './support/keyed.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('several keys', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_UPSTREAM_RETRY_WAIT: '20ms' } });
  let upstream;
  before(async () => { upstream = await startKeyed(); });
  after(() => upstream.stop());

  /** A user with keys A, B and C of its own; the names are those of `answers`. */
  const withKeys = async (names = ['a', 'b', 'c'], more = {}) => {
    const user = await context.server.user();
    const keys = names.map((name) => uniqueName(`sk-${name}`));
    const { api } = await user.ok('POST', '/api/user/apis', {
      api_name: 'mine', model_name: 'm', base_url: upstream.url, api_key: keys[0], api_keys: keys.slice(1), ...more,
    });
    upstream.answers = {};
    upstream.asked = [];
    const say = () => user.post('/api/chat/message', {
      session_id: uniqueName('keys'), model_name: 'm', message: 'hi',
    });
    return { user, api, keys, say };
  };

  test('are counted and never shown', async () => {
    const { user, api, keys } = await withKeys();
    assert.equal(api.key_count, 3);
    const answer = await user.get('/api/user/apis');
    for (const key of keys) assert.ok(!answer.text.includes(key));
    const change = async (more) => (await user.ok('PUT', `/api/user/apis/${api.id}`, more)).api.key_count;
    assert.equal(await change({ api_name: 'other' }), 3);
    assert.equal(await change({ api_keys: [] }), 1);
    assert.equal(await change({ api_keys: ['sk-1', 'Bearer sk-2 '] }), 3);
    assertError(await user.put(`/api/user/apis/${api.id}`, { api_keys: ['a b'] }), 400, 'invalid_field');
    assertError(await user.put(`/api/user/apis/${api.id}`, { api_keys: Array(16).fill('x') }), 400, 'invalid_field');
    for (const table of [await user.get('/api/user/apis')]) assert.ok(!table.text.includes('sk-2'));
  });

  test('take turns, on each way', async () => {
    const { user, keys, say } = await withKeys();
    for (let i = 0; i < 3; i += 1) assert.equal((await say()).status, 200);
    await user.ok('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'hi' }] });
    assert.deepEqual(upstream.keys(), [...keys, keys[0]]);
  });

  for (const [status, words] of [[401, {}], [402, {}], [429, {}], [429, { code: 'insufficient_quota' }]]) {
    test(`${status} ${words.code ?? ''}: the next one is asked, and the refused one rests`, async () => {
      const { keys, say } = await withKeys();
      upstream.answers[keys[0]] = { status, body: { error: { message: 'no', ...words } } };
      const answer = await say();
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.response, 'fine');
      assert.deepEqual(upstream.keys(), [keys[0], keys[1]]);
      for (let i = 0; i < 4; i += 1) assert.equal((await say()).status, 200);
      const later = upstream.keys();
      assert.equal(later.length, 4);
      assert.ok(!later.includes(keys[0]), later);
    });
  }

  test('that are all refused end with the refusal, each asked once', async () => {
    const { keys, say } = await withKeys();
    for (const key of keys) upstream.answers[key] = { status: 401 };
    assertError(await say(), 502, 'upstream_unauthorized');
    assert.deepEqual(upstream.keys(), keys);
    upstream.answers = {};
    assert.equal((await say()).status, 200, 'when all rest, they are asked all the same');
  });

  test('other failures are the same for all keys: no other one is asked for them', async () => {
    const { keys, say } = await withKeys();
    for (const key of keys) upstream.answers[key] = { status: 500 };
    assertError(await say(), 502, 'upstream_failed');
    assert.deepEqual(upstream.keys(), Array(3).fill(keys[0]));
    upstream.answers[keys[1]] = { status: 400 };
    assertError(await say(), 502, 'upstream_rejected');
    assert.deepEqual(upstream.keys(), [keys[1]]);
  });

  test('come before another configuration, which stands in when none is left', async () => {
    const { user, keys, say } = await withKeys(['a', 'b']);
    const other = uniqueName('sk-other');
    await user.model(upstream.url, { model_name: 'm', api_key: other });
    upstream.answers[keys[0]] = { status: 429 };
    upstream.answers[keys[1]] = { status: 429 };
    assert.equal((await say()).status, 200);
    assert.deepEqual(upstream.keys(), [keys[0], keys[1], other]);
  });

  test('embeddings and long messages fail over too', async () => {
    const { user, keys } = await withKeys();
    upstream.answers[keys[0]] = { status: 401 };
    upstream.answers[keys[1]] = { body: { data: [{ embedding: [1] }] } };
    await user.ok('POST', '/v1/embeddings', { model: 'm', input: 'hi' });
    assert.deepEqual(upstream.keys(), [keys[0], keys[1]]);
    upstream.answers = { [keys[1]]: { status: 402 } };
    const message = 'x'.repeat(200000);
    const { body } = await user.post('/api/chat/message', { session_id: 'long', model_name: 'm', message });
    assert.equal(body.response, 'fine');
    const asked = upstream.asked.splice(0);
    assert.deepEqual(asked.map((request) => request.key), [keys[1], keys[2]]);
    assert.ok(asked.every((request) => request.json.messages.at(-1).content === message));
  });
});
