// covers: doors, providers
// The OpenAI routes before providers that speak something else: their clients see no difference.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import OpenAI from 'openai';
import { TOOL, ask, keyHolder } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';
const PICTURE = 'data:image/png;base64,iVBORw0KGgo=';

/** How the mock is addressed as each of them. */
const BASES = {
  anthropic: (url) => url,
  gemini: (url) => url.replace(/\/v1$/, '/v1beta'),
  ollama: (url) => url.replace(/\/v1$/, ''),
};

describe('the OpenAI routes', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (provider, scenario) => {
    const { user, key, baseURL } = await keyHolder(context.server);
    const model = await user.model(BASES[provider](context.mock.url(scenario)), { provider });
    return { model, client: new OpenAI({ apiKey: key, baseURL, maxRetries: 0 }) };
  };

  for (const provider of Object.keys(BASES)) {
    test(`before ${provider}: chat, stream, and what else is asked`, async () => {
      const { client, model } = await setup(provider, 'finish=length');
      const messages = [{ role: 'system', content: 'Be brief.' }, ...ask('hi')];
      const options = { model, messages, max_completion_tokens: 33, temperature: 0.5 };
      const answer = await client.chat.completions.create(options);
      assert.equal(answer.choices[0].message.content, WORDS);
      assert.equal(answer.choices[0].finish_reason, 'length');
      assert.ok(answer.usage.completion_tokens > 0 && !answer.usage.estimated, JSON.stringify(answer.usage));
      const told = JSON.stringify((await context.mock.requests()).at(-1).json);
      assert.ok(told.includes('Be brief.') && told.includes('33') && told.includes('0.5'), told);
      const stream = client.chat.completions.stream({ ...options, stream_options: { include_usage: true } });
      const final = await stream.finalChatCompletion();
      assert.equal(final.choices[0].message.content, WORDS);
      assert.equal(final.choices[0].finish_reason, 'length');
      assert.deepEqual(final.usage, answer.usage);
    });

    test(`before ${provider}: a tool call there and back`, async () => {
      const { client, model } = await setup(provider, 'tools=1');
      const messages = ask('how is it?');
      const final = await client.chat.completions.stream({ model, messages, tools: [TOOL] }).finalChatCompletion();
      const [choice] = final.choices;
      assert.equal(choice.finish_reason, 'tool_calls');
      const [call] = choice.message.tool_calls;
      assert.equal(call.function.name, TOOL.function.name);
      assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
      const { role, content, tool_calls: calls } = choice.message;
      messages.push({ role, content, tool_calls: calls.map(({ id, type, function: { name, arguments: args } }) =>
        ({ id, type, function: { name, arguments: args } })) });
      messages.push({ role: 'tool', tool_call_id: call.id, content: 'Rain.' });
      const second = await client.chat.completions.create({ model, messages, tools: [TOOL] });
      assert.equal(second.choices[0].message.content, WORDS);
      assert.ok(JSON.stringify((await context.mock.requests()).at(-1).json).includes('Rain.'));
    });

    test(`before ${provider}: a picture`, async () => {
      const { client, model } = await setup(provider, '');
      await client.chat.completions.create({ model, messages: [{
        role: 'user', content: [{ type: 'text', text: 'what is it?' }, { type: 'image_url', image_url: { url: PICTURE } }],
      }] });
      const told = JSON.stringify((await context.mock.requests()).at(-1).json);
      assert.ok(told.includes('iVBORw0KGgo=') && told.includes('what is it?'), told);
    });
  }

  test('fall back to the next configuration, but with a picture only to one that sees it', async () => {
    const { user, key, baseURL } = await keyHolder(context.server);
    await user.model(context.mock.url('status=503,id=first'), { model_name: 'same' });
    await user.model(context.mock.url('tokens=1'), { model_name: 'same', provider: 'deepseek' });
    const client = new OpenAI({ apiKey: key, baseURL, maxRetries: 0 });
    const answer = await client.chat.completions.create({ model: 'same', messages: ask('hi') });
    assert.equal(answer.choices[0].message.content, 'tok0 ');
    const picture = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: PICTURE } }] }];
    await assert.rejects(client.chat.completions.create({ model: 'same', messages: picture }),
      (error) => error.code === 'upstream_overloaded');
  });
});
