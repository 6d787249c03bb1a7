// covers: models, providers, upstream
// The models that a provider offers, for a form that is being filled in.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { startKeyed } from './support/keyed.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const PATH = '/api/user/apis/models';

describe('the list of models', () => {
  const context = withServer({ env: LOOPBACK });
  let upstream;
  before(async () => { upstream = await startKeyed(); });
  after(() => upstream.stop());

  /** Asks with a key whose answer is this one: what came back, and what the upstream got. */
  const ask = async (fields, answer, user) => {
    const caller = user ?? await context.server.user();
    upstream.asked = [];
    upstream.answers = { '': answer, [caller.apiKey]: answer };
    const result = await caller.post(PATH, { base_url: upstream.url, api_key: caller.apiKey, ...fields });
    return { result, asked: upstream.asked, caller };
  };

  for (const [provider, path, header, body, names] of [
    ['openai', '/v1/models', 'authorization', { data: [{ id: 'b/c:free' }, { id: 'a' }, { id: 'a' }] }, ['a', 'b/c:free']],
    ['groq', '/v1/models', 'authorization', [{ id: 'x' }], ['x']],
    ['anthropic', '/v1/models?limit=1000', 'x-api-key', { data: [{ type: 'model', id: 'claude-x' }] }, ['claude-x']],
    ['gemini', '/v1/models?pageSize=1000', 'x-goog-api-key', { models: [
      { name: 'models/gemini-x', supportedGenerationMethods: ['generateContent'] },
      { name: 'models/embed-x', supportedGenerationMethods: ['embedContent'] },
    ] }, ['gemini-x']],
    ['ollama', '/v1/api/tags', 'authorization', { models: [{ name: 'llama3:8b', model: 'llama3:8b' }] }, ['llama3:8b']],
    ['azure', '/v1/openai/models?api-version=2024-10-21', 'api-key', { data: [{ id: 'gpt-x' }] }, ['gpt-x']],
  ]) {
    test(`of ${provider}`, async () => {
      const { result, asked, caller } = await ask({ provider }, { body });
      assert.equal(result.status, 200, result.text);
      assert.deepEqual(result.body, { models: names });
      assert.deepEqual(asked.map((request) => request.path), [path]);
      assert.ok(asked[0].headers[header].endsWith(caller.apiKey));
      assert.equal(asked[0].headers['content-type'], undefined);
    });
  }

  test('of a stored configuration, with its key and headers, and with another address', async () => {
    const user = await context.server.user();
    const { api } = await user.ok('POST', '/api/user/apis', {
      api_name: 'mine', api_key: user.apiKey, model_name: 'm', base_url: upstream.url, headers: { 'X-Team': 'blue' },
    });
    const answer = { body: { data: [{ id: 'a' }] } };
    for (const more of [{}, { api_key: api.api_key }, { base_url: upstream.url.replace('/v1', '/v2') }]) {
      const { result, asked } = await ask({ id: api.id, api_key: undefined, base_url: undefined, ...more }, answer, user);
      assert.deepEqual(result.body, { models: ['a'] });
      assert.equal(asked[0].headers.authorization, `Bearer ${user.apiKey}`);
      assert.equal(asked[0].headers['x-team'], 'blue');
      assert.equal(asked[0].path, more.base_url ? '/v2/models' : '/v1/models');
    }
    const stranger = await context.server.user();
    assertError(await stranger.post(PATH, { id: api.id }), 404, 'api_not_found');
    assert.equal((await user.ok('GET', '/api/user/apis')).apis[0].base_url, upstream.url, 'nothing is stored');
  });

  test('is bounded, and leaves out what is no name', async () => {
    const data = [...Array(1500).keys()].map((n) => ({ id: `m${String(n).padStart(4, '0')}` }));
    data.unshift({ id: 5 }, {}, null, { id: '' }, { id: 'a\nb' }, { id: 'x'.repeat(300) });
    const { result } = await ask({}, { body: { data } });
    assert.equal(result.body.models.length, 1000);
    assert.equal(result.body.models[0], 'm0000');
    const { result: huge } = await ask({}, { body: { data: [{ id: 'x'.repeat(5 << 20) }] } });
    assertError(huge, 502, 'outbound_too_large');
  });

  test('refused by the provider: its words are told', async () => {
    for (const [status, code] of [[401, 'upstream_unauthorized'], [404, 'upstream_not_found'], [500, 'upstream_failed']]) {
      const { result } = await ask({}, { status, body: { error: { message: `said ${status}` } } });
      const { detail } = assertError(result, 502, code);
      assert.equal(detail, `said ${status}`);
    }
    for (const body of [{}, { data: 5 }, 'x', null]) {
      assertError((await ask({}, { body })).result, 502, 'upstream_bad_response');
    }
  });

  test('is asked through the address policy, with fields that fit', async () => {
    for (const [fields, status, code] of [
      [{ base_url: 'http://10.0.0.1/v1' }, 422, 'address_not_allowed'],
      [{ base_url: 'https://169.254.169.254/v1' }, 422, 'address_not_allowed'],
      [{ base_url: 'nonsense' }, 400, 'invalid_url'], [{ base_url: '', provider: 'ollama' }, 422, 'no_base_url'],
      [{ provider: 'nobody' }, 400, 'invalid_field'], [{ api_key: 'a b' }, 400, 'invalid_field'],
      [{ headers: { Host: 'x' } }, 400, 'invalid_field'], [{ id: 999999 }, 404, 'api_not_found'],
    ]) {
      const { result, asked } = await ask(fields, { body: { data: [] } });
      assertError(result, status, code);
      assert.deepEqual(asked, []);
    }
  });
});
