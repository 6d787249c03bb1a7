// covers: doors
// The stock npm packages `openai` and `ai` with `@ai-sdk/openai`, unmodified and as they come: both speak
// responses. The numbers of their events have gaps, which they must not mind.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { keyHolder } from './support/door.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';
const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const TOOL = { type: 'function', name: 'get_weather', parameters: PARAMETERS, strict: false };

describe('the npm package openai', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario) => {
    const { user, key, baseURL } = await keyHolder(context.server);
    return {
      client: new OpenAI({ apiKey: key, baseURL, maxRetries: 0 }),
      model: await user.model(context.mock.url(scenario)),
    };
  };

  test('creates a response, reads it again and deletes it', async () => {
    const { client, model } = await setup('reasoning=1');
    const response = await client.responses.create({ model, input: 'hi', instructions: 'Be brief.' });
    assert.equal(response.output_text, WORDS);
    assert.deepEqual(response.output.map((item) => item.type), ['reasoning', 'message']);
    assert.equal(response.usage.output_tokens, 9);
    assert.equal((await client.responses.retrieve(response.id)).output_text, WORDS);
    const items = [];
    for await (const item of client.responses.inputItems.list(response.id)) items.push(item);
    assert.deepEqual(items.map((item) => item.content), [[{ type: 'input_text', text: 'hi' }]]);
    await client.responses.delete(response.id);
    await assert.rejects(client.responses.retrieve(response.id), (error) =>
      error instanceof OpenAI.NotFoundError && error.code === 'response_not_found');
  });

  test('streams, and comes back to a stream', async () => {
    const { client, model } = await setup('pace=3');
    const stream = client.responses.stream({ model, input: 'hi' });
    let text = '';
    stream.on('response.output_text.delta', (event) => { text += event.delta; });
    const final = await stream.finalResponse();
    assert.equal(text, WORDS);
    assert.equal(final.output_text, WORDS);
    const events = [];
    for await (const event of await client.responses.retrieve(final.id, { stream: true })) events.push(event);
    const middle = events.findIndex((event) => event.type === 'response.output_text.delta');
    const rest = [];
    const from = { stream: true, starting_after: events[middle].sequence_number };
    for await (const event of await client.responses.retrieve(final.id, from)) rest.push(event);
    assert.deepEqual(rest, events.slice(middle + 1));
  });

  test('calls a tool, and continues', async () => {
    const { client, model } = await setup('tools=1');
    const first = await client.responses.create({ model, input: 'how warm?', tools: [TOOL] });
    const [call] = first.output;
    assert.equal(call.type, 'function_call');
    const second = await client.responses.create({
      model,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: 'warm' }],
      tools: [TOOL],
    });
    assert.equal(second.output_text, WORDS);
    // The same without what is stored here.
    const third = await client.responses.create({
      model,
      store: false,
      input: [
        { role: 'user', content: 'how warm?' }, ...first.output,
        { type: 'function_call_output', call_id: call.call_id, output: 'warm' },
      ],
      tools: [TOOL],
    });
    assert.equal(third.output_text, WORDS);
  });

  test('parses', async () => {
    const { client, model } = await setup(`text=${encodeURIComponent('{"city":"Rome"}').replaceAll(',', '%2C')}`);
    const format = { type: 'json_schema', name: 'place', schema: PARAMETERS, strict: true };
    const response = await client.responses.parse({ model, input: 'where?', text: { format } });
    assert.equal(response.output_text, '{"city":"Rome"}');
  });

  test('runs in the background and is stopped', async () => {
    const { client, model } = await setup('fault=endless,pace=5');
    const begun = await client.responses.create({ model, input: 'hi', background: true });
    assert.equal(begun.status, 'in_progress');
    assert.equal((await client.responses.cancel(begun.id)).status, 'cancelled');
    await eventually(async () => (await context.mock.stats()).active === 0, 'the upstream is let go');
  });
});

describe('the npm packages ai and @ai-sdk/openai', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario) => {
    const { user, key, baseURL } = await keyHolder(context.server);
    return createOpenAI({ apiKey: key, baseURL })(await user.model(context.mock.url(scenario)));
  };
  const weather = (called) => tool({
    description: 'The weather in a city',
    inputSchema: jsonSchema(PARAMETERS),
    execute: async (input) => {
      called.push(input);
      return 'warm';
    },
  });

  test('generate a text', async () => {
    const { text, reasoningText, usage, finishReason } = await generateText({
      model: await setup('reasoning=1'), prompt: 'hi', maxRetries: 0,
    });
    assert.equal(text, WORDS);
    assert.equal(reasoningText, 'think0 ');
    assert.equal(finishReason, 'stop');
    assert.deepEqual([usage.inputTokens, usage.outputTokens], [1, 9]);
  });

  test('stream a text', async () => {
    const result = streamText({ model: await setup('pace=3,reasoning=2'), prompt: 'hi', maxRetries: 0 });
    let text = '';
    for await (const delta of result.textStream) text += delta;
    assert.equal(text, WORDS);
    assert.equal(await result.reasoningText, 'think0 think1 ');
    assert.equal(await result.finishReason, 'stop');
  });

  for (const name of ['generateText', 'streamText']) {
    test(`call a tool and go on with what it said: ${name}`, async () => {
      const called = [];
      const options = {
        model: await setup('tools=1,reasoning=1'), prompt: 'how warm?', maxRetries: 0,
        stopWhen: stepCountIs(3), tools: { get_weather: weather(called) },
      };
      const result = name === 'generateText' ? await generateText(options) : streamText(options);
      if (name === 'streamText') await result.consumeStream();
      assert.equal(await result.text, WORDS);
      assert.equal(called.length, 1);
      const [told] = await context.mock.requests(1);
      assert.deepEqual(told.json.messages.map((message) => message.role), ['user', 'assistant', 'tool']);
    });
  }

  test('form an answer by a schema', async () => {
    const { output } = await generateText({
      model: await setup(`text=${encodeURIComponent('{"city":"Rome"}')}`), prompt: 'where?', maxRetries: 0,
      output: Output.object({ schema: jsonSchema(PARAMETERS) }),
    });
    assert.deepEqual(output, { city: 'Rome' });
  });

  test('tell what went wrong', async () => {
    await assert.rejects(generateText({ model: await setup('status=401'), prompt: 'hi', maxRetries: 0 }),
      (error) => error.data?.error?.code === 'upstream_unauthorized');
  });
});
