// covers: doors, providers
// The stock npm packages `@anthropic-ai/sdk`, and `ai` with `@ai-sdk/anthropic`, unmodified, against the Anthropic
// door: before a provider of another API, and before the vendor's own.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import Anthropic from '@anthropic-ai/sdk';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { ask, keyHolder } from './support/door.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';
const TOOL = { name: 'get_weather', description: 'The weather in a city', input_schema: { type: 'object' } };

for (const provider of ['openai', 'anthropic']) {
  describe(`the package @anthropic-ai/sdk, before ${provider}`, () => {
    const context = withServer({ env: LOOPBACK, mock: true });

    const setup = async (scenario, options = {}) => {
      const { user, key } = await keyHolder(context.server);
      const model = await user.model(context.mock.url(scenario), { provider });
      return { model, client: new Anthropic({ apiKey: key, baseURL: context.server.url, maxRetries: 0, ...options }) };
    };

    test('talks', async () => {
      const { client, model } = await setup('finish=length');
      const message = await client.messages.create({ model, max_tokens: 9, system: 'Be brief.', messages: ask('hi') });
      assert.deepEqual(message.content.map((block) => block.text), [WORDS]);
      assert.equal(message.stop_reason, 'max_tokens');
      assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
      assert.equal(message.id, `msg_${message._request_id}`);
    });

    test('streams', async () => {
      const { client, model } = await setup('pace=2');
      const stream = client.messages.stream({ model, max_tokens: 9, messages: ask('hi') });
      let text = '';
      stream.on('text', (delta) => { text += delta; });
      const message = await stream.finalMessage();
      assert.equal(text, WORDS);
      assert.deepEqual(message.content.map((block) => block.text), [WORDS]);
      assert.equal(message.stop_reason, 'end_turn');
      assert.equal(message.usage.output_tokens, 8);
    });

    test('calls a tool and gives its result', async () => {
      const { client, model } = await setup('tools=1');
      const messages = ask('how is it?');
      const options = { model, max_tokens: 9, tools: [TOOL] };
      const first = await client.messages.stream({ ...options, messages }).finalMessage();
      assert.equal(first.stop_reason, 'tool_use');
      const call = first.content.find((block) => block.type === 'tool_use');
      assert.deepEqual([call.name, call.input], [TOOL.name, { city: 'Paris' }]);
      const whole = await client.messages.create({ ...options, messages });
      assert.deepEqual(whole.content.at(-1).input, call.input);
      messages.push({ role: 'assistant', content: first.content });
      messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'Rain.' }] });
      const second = await client.messages.create({ ...options, messages });
      assert.ok(JSON.stringify((await context.mock.requests(1)).at(-1).json.messages).includes('Rain.'));
      assert.ok(second.content.length > 0);
    });

    test('counts tokens and lists models', async () => {
      const { client, model } = await setup('');
      assert.ok((await client.messages.countTokens({ model, messages: ask('hi') })).input_tokens > 0);
      const ids = [];
      for await (const one of client.models.list()) ids.push(one.id);
      assert.ok(ids.includes(model));
      assert.equal((await client.beta.models.retrieve(model)).display_name, model);
    });

    test('reads errors as its own', async () => {
      const { client, model } = await setup('status=500');
      const options = { model, max_tokens: 9, messages: ask('hi') };
      await assert.rejects(client.messages.create(options), (error) =>
        error instanceof Anthropic.InternalServerError && error.type === 'api_error' && error.requestID !== null);
      await assert.rejects(client.messages.create({ ...options, model: 'unknown' }), Anthropic.NotFoundError);
      await assert.rejects(client.messages.create({ ...options, max_tokens: undefined }), Anthropic.BadRequestError);
      const stranger = new Anthropic({ apiKey: 'sk-ant-x', baseURL: context.server.url, maxRetries: 0 });
      await assert.rejects(stranger.messages.create(options), Anthropic.AuthenticationError);
      const { client: cut, model: broken } = await setup('fault=reset_mid,at=3,pace=5');
      await assert.rejects(cut.messages.stream({ ...options, model: broken }).finalMessage(), Anthropic.APIError);
    });

    test('takes a token as a tool of the command line sends it, and leaves', async () => {
      const { client, model } = await setup('tokens=1000,pace=5');
      const bearer = new Anthropic({ authToken: client.apiKey, apiKey: null, baseURL: context.server.url, maxRetries: 0 });
      const stream = bearer.beta.messages.stream({ model, max_tokens: 9, messages: ask('hi'),
        betas: ['interleaved-thinking-2025-05-14'] });
      for await (const event of stream) {
        if (event.type === 'content_block_delta') break;
      }
      stream.abort();
      await eventually(async () => (await context.mock.stats()).active === 0, 'the upstream is let go');
    });
  });
}

describe('the packages ai and @ai-sdk/anthropic', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario, configuration = {}) => {
    const { user, key, baseURL } = await keyHolder(context.server);
    const model = await user.model(context.mock.url(scenario), configuration);
    return createAnthropic({ apiKey: key, baseURL })(model);
  };

  for (const provider of ['openai', 'anthropic']) {
    test(`generate and stream before ${provider}`, async () => {
      const model = await setup('reasoning=1', { provider });
      const { text, reasoningText, usage, finishReason } = await generateText({ model, prompt: 'hi', maxRetries: 0 });
      assert.deepEqual([text, reasoningText, finishReason], [WORDS, 'think0 ', 'stop']);
      assert.equal(usage.outputTokens, 9);
      const result = streamText({ model, prompt: 'hi', maxRetries: 0 });
      assert.equal(await result.text, WORDS);
      assert.equal(await result.reasoningText, 'think0 ');
      assert.equal((await result.usage).outputTokens, 9);
    });

    test(`call tools before ${provider}`, async () => {
      const called = [];
      const options = {
        model: await setup('tools=1', { provider }),
        prompt: 'how is it?',
        maxRetries: 0,
        stopWhen: stepCountIs(2),
        tools: { get_weather: tool({ description: TOOL.description, inputSchema: jsonSchema(TOOL.input_schema),
          execute: async (input) => { called.push(input); return 'Rain.'; } }) },
      };
      assert.equal((await generateText(options)).steps.length, 2);
      assert.equal((await streamText(options).steps).length, 2);
      assert.deepEqual(called.slice(0, 2), [{ city: 'Paris' }, { city: 'Paris' }]);
    });
  }

  test('tell what went wrong', async () => {
    await assert.rejects(generateText({ model: await setup('status=401'), prompt: 'hi', maxRetries: 0 }),
      (error) => error.statusCode === 502 && error.data.error.type === 'api_error');
    const errors = [];
    const result = streamText({ model: await setup('fault=reset_mid,at=3,pace=20'), prompt: 'hi', maxRetries: 0,
      onError: ({ error }) => errors.push(error) });
    for await (const delta of result.textStream) assert.ok(delta);
    assert.equal(errors.length, 1);
  });
});
