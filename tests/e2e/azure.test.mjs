// covers: providers, models
// Azure OpenAI: the addresses, the key's header and the version that the service's documentation names.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { startKeyed } from './support/keyed.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

describe('azure', () => {
  const context = withServer({ env: LOOPBACK });
  let upstream;
  before(async () => { upstream = await startKeyed(); });
  after(() => upstream.stop());

  const OLD = '?api-version=2024-10-21';
  for (const [base, options, chat, embeddings] of [
    ['', {}, `/openai/deployments/my%20gpt/chat/completions${OLD}`, `/openai/deployments/my%20gpt/embeddings${OLD}`],
    ['/openai/', { api_version: '2025-01-01-preview' },
      '/openai/deployments/my%20gpt/chat/completions?api-version=2025-01-01-preview',
      '/openai/deployments/my%20gpt/embeddings?api-version=2025-01-01-preview'],
    ['/openai/deployments/other/chat/completions', {}, `/openai/deployments/other/chat/completions${OLD}`,
      `/openai/deployments/other/embeddings${OLD}`],
    ['/openai/v1', {}, '/openai/v1/chat/completions', '/openai/v1/embeddings'],
    ['/openai/v1/', { api_version: 'preview' }, '/openai/v1/chat/completions?api-version=preview',
      '/openai/v1/embeddings?api-version=preview'],
  ]) {
    test(`at ${base || 'a bare address'} with ${JSON.stringify(options)}`, async () => {
      const user = await context.server.user();
      await user.model(upstream.url.replace('/v1', base), {
        provider: 'azure', model_name: 'm', upstream_model: 'my gpt', options,
      });
      upstream.asked = [];
      assert.equal((await user.say('m', uniqueName('azure'), 'hi')).response, 'fine');
      await user.ok('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'hi' }] });
      upstream.answers[''] = { body: { data: [{ embedding: [1] }] } };
      await user.ok('POST', '/v1/embeddings', { model: 'm', input: 'hi' });
      upstream.answers = {};
      const asked = upstream.asked.splice(0);
      assert.deepEqual(asked.map((request) => request.path), [chat, chat, embeddings]);
      for (const { headers, json } of asked) {
        assert.equal(headers['api-key'], user.apiKey);
        assert.equal(headers.authorization, undefined);
        assert.equal(json.model, 'my gpt');
      }
    });
  }
});
