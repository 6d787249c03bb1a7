// covers: doors, models, providers
// What is passed on as it came besides the chat (rerankings, moderations), and what /v1/models tells.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import OpenAI from 'openai';
import { keyHolder } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { sends, startUpstream } from './support/upstream.mjs';

const JSON_TYPE = { 'Content-Type': 'application/json' };

describe('requests that are passed on', () => {
  const context = withServer({ env: LOOPBACK });
  before(async () => { context.upstream = await startUpstream(); });
  after(() => context.upstream.stop());

  const setup = async (answer, more = {}, status = 200) => {
    const { user, key, baseURL } = await keyHolder(context.server);
    const { url, key: name } = context.upstream.add(sends(JSON.stringify(answer), JSON_TYPE, status));
    const model = await user.model(url, more);
    return { user, model, client: new OpenAI({ apiKey: key, baseURL, maxRetries: 0 }), asked: () => context.upstream.of(name) };
  };
  const failing = (call) => call.then(() => assert.fail('no error'), (error) => error);

  test('rerank documents', async () => {
    const results = [{ index: 1, relevance_score: 0.9 }, { index: 0, relevance_score: 0.1 }];
    const { user, model, client, asked } = await setup({ id: 'r', results, meta: { tokens: { input_tokens: 12 } } });
    const body = { model, query: 'tide', documents: ['a', { text: 'b' }], top_n: 2 };
    assert.deepEqual((await client.post('/rerank', { body })).results, results);
    const [sent] = asked();
    assert.match(sent.path, /\/v1\/rerank$/);
    assert.deepEqual(sent.json, body);
    const [{ requests, input_tokens: tokens, estimated }] = (await user.ok('GET', '/api/usage')).data;
    assert.deepEqual([requests, tokens, estimated], [1, 12, false]);
    assert.equal((await failing(client.post('/rerank', { body: { model, query: 'a' } }))).param, 'documents');
    const other = await setup({ results }, { provider: 'groq' });
    const refused = await failing(other.client.post('/rerank', { body: { ...body, model: other.model } }));
    assert.deepEqual([refused.status, refused.code], [422, 'rerank_not_supported']);
    assert.equal(other.asked().length, 0);
    const demo = await failing(client.post('/rerank', { body: { ...body, model: 'demo' } }));
    assert.equal(demo.code, 'rerank_not_supported');
  });

  test('moderate', async () => {
    const results = [{ flagged: false, categories: {}, category_scores: {} }];
    const { user, client, asked } = await setup({ id: 'm', model: 'x', results }, { model_name: 'omni-moderation-latest' });
    const answer = await client.moderations.create({ input: ['eight letters', 'more'] });
    assert.deepEqual(answer.results, results);
    const [sent] = asked();
    assert.match(sent.path, /\/v1\/moderations$/);
    assert.deepEqual(sent.json, { input: ['eight letters', 'more'], model: 'omni-moderation-latest' });
    const [{ input_tokens: tokens, estimated }] = (await user.ok('GET', '/api/usage')).data;
    assert.ok(tokens > 0 && estimated);
    const demo = await failing(client.moderations.create({ model: 'demo', input: 'a' }));
    assert.deepEqual([demo.status, demo.code], [422, 'moderations_not_supported']);
    const broken = await setup({ nothing: 1 });
    const odd = await failing(broken.client.moderations.create({ model: broken.model, input: 'a' }));
    assert.equal(odd.code, 'upstream_bad_response');
    const limited = await setup({ error: { message: 'slow down' } }, {}, 429);
    assert.ok(await failing(limited.client.moderations.create({ model: limited.model, input: 'a' })) instanceof OpenAI.RateLimitError);
  });

  test('are for models whose kind and context are told', async () => {
    const { user, client } = await setup({}, { model_name: 'gpt-4o-mini' });
    await user.ok('POST', '/api/user/apis', { api_name: 'e', api_key: 'k', model_name: 'text-embedding-3-small' });
    await user.ok('POST', '/api/user/apis', { api_name: 'm', api_key: 'k', model_name: 'mine' });
    const told = (await client.models.list()).data.map((one) => [one.id, one.type, one.context_window]);
    assert.deepEqual(told, [['gpt-4o-mini', 'chat', 128000], ['mine', 'chat', undefined],
      ['text-embedding-3-small', 'embedding', 8191], ['demo', 'chat', undefined]]);
    assert.equal((await client.models.retrieve('gpt-4o-mini')).context_window, 128000);
  });
});
