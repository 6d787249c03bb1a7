// covers: doors, providers, chat
// OpenAI's text completions at /v1/completions, with the stock npm client and byte for byte.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import OpenAI from 'openai';
import { keyHolder } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';

describe('text completions', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario, configuration = {}) => {
    const { user, key, baseURL } = await keyHolder(context.server);
    const model = await user.model(context.mock.url(scenario), configuration);
    return { key, model, client: new OpenAI({ apiKey: key, baseURL, maxRetries: 0 }) };
  };
  const told = async () => (await context.mock.requests(1)).at(-1).json;

  test('are answered, before every provider', async () => {
    for (const provider of ['openai', 'anthropic']) {
      const { client, model } = await setup('reasoning=1,finish=length', { provider });
      const answer = await client.completions.create({ model, prompt: 'Once', max_tokens: 7, stop: ['END'] });
      assert.match(answer.id, /^cmpl-[0-9a-f]{16}$/);
      assert.equal(answer.object, 'text_completion');
      assert.equal(answer.model, model);
      assert.deepEqual(answer.choices, [{ text: WORDS, index: 0, logprobs: null, finish_reason: 'length' }]);
      assert.equal(answer.usage.completion_tokens, 9);
      assert.equal((await told()).max_tokens, 7);
    }
    const { client } = await setup('');
    const demo = await client.completions.create({ model: 'demo', prompt: 'hello' });
    assert.ok(demo.choices[0].text.length > 0);
  });

  test('reach a provider as a chat, with the other fields as they came', async () => {
    const { client, model } = await setup('');
    await client.completions.create({ model, prompt: ['Once'], temperature: 0.5, seed: 3, n: 1, best_of: 1, echo: false,
      suffix: null, logprobs: null, user: 'u' });
    const { stream, stream_options: options, ...rest } = await told();
    assert.ok(stream && options);
    assert.deepEqual(rest, { model, messages: [{ role: 'user', content: 'Once' }], temperature: 0.5, seed: 3, user: 'u' });
  });

  test('stream', async () => {
    const { client, key, model } = await setup('tokens=1');
    const stream = await client.completions.create({ model, prompt: 'Once', stream: true,
      stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join(''), 'tok0 ');
    assert.equal(chunks.at(-2).choices[0].finish_reason, 'stop');
    assert.equal(chunks.at(-1).usage.completion_tokens, 1);
    const { text } = await context.server.client().post('/v1/completions', { model, prompt: 'Once', stream: true },
      { headers: { Authorization: `Bearer ${key}` } });
    const head = text.slice(0, text.indexOf('"choices"'));
    assert.match(head, /^data: \{"id":"cmpl-[0-9a-f]{16}","object":"text_completion","created":\d+,"model":"[^"]+",$/);
    assert.equal(text.replaceAll(head, ''),
      '"choices":[{"text":"tok0 ","index":0,"logprobs":null,"finish_reason":null}]}\n\n'
      + '"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]}\n\n'
      + 'data: [DONE]\n\n');
  });

  test('refuse by name what a chat cannot do', async () => {
    const { client, model } = await setup('');
    for (const [field, value] of Object.entries({
      echo: true, suffix: 'end', best_of: 2, n: 2, logprobs: 0, prompt: ['a', 'b'],
    })) {
      await assert.rejects(client.completions.create({ model, prompt: 'Once', [field]: value }),
        (error) => error.status === 400 && error.code === 'unsupported_parameter' && error.param === field, field);
    }
    await assert.rejects(client.completions.create({ model, prompt: [1, 2] }), (error) => error.param === 'prompt');
    await assert.rejects(client.completions.create({ model }), (error) => error.code === 'missing_field');
  });

  test('tell how an upstream failed, before its first byte and after', async () => {
    const { client, model } = await setup('status=401');
    await assert.rejects(client.completions.create({ model, prompt: 'Once' }),
      (error) => error.status === 502 && error.code === 'upstream_unauthorized');
    const { client: other, model: broken } = await setup('fault=reset_mid,at=3,pace=5');
    const stream = await other.completions.create({ model: broken, prompt: 'Once', stream: true });
    let text = '';
    await assert.rejects(async () => {
      for await (const chunk of stream) text += chunk.choices[0].text;
    }, (error) => error instanceof OpenAI.APIError);
    assert.equal(text, 'tok0 tok1 tok2 ');
  });
});
