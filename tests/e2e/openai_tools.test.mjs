// late
// covers: doors, providers
// Tool calls through the OpenAI routes, with the stock npm clients.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { makeParseableResponseFormat } from 'openai/lib/parser';
import { TOOL, ask, keyHolder } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';

describe('tool calls', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async () => {
    const { user, key, baseURL } = await keyHolder(context.server);
    return { model: await user.model(context.mock.url('tools=1')), apiKey: key, baseURL };
  };

  test('of the client openai', async () => {
    const { model, ...options } = await setup();
    const client = new OpenAI({ ...options, maxRetries: 0 });
    const messages = ask('how high?');
    const first = await client.chat.completions.create({ model, messages, tools: [TOOL] });
    const [choice] = first.choices;
    assert.equal(choice.finish_reason, 'tool_calls');
    assert.equal(choice.message.content, null);
    const [call] = choice.message.tool_calls;
    assert.equal(call.type, 'function');
    assert.doesNotThrow(() => JSON.parse(call.function.arguments));
    messages.push(choice.message, { role: 'tool', tool_call_id: call.id, content: '3 m' });
    const second = await client.chat.completions.create({ model, messages, tools: [TOOL] });
    assert.equal(second.choices[0].message.content, WORDS);
    const [told] = (await context.mock.requests()).slice(-1);
    assert.deepEqual(told.json.tools, [TOOL]);
    assert.deepEqual(told.json.messages.map((message) => message.role), ['user', 'assistant', 'tool']);
    assert.deepEqual(told.json.messages[1].tool_calls, choice.message.tool_calls);
    // Streamed, put together by the client.
    const streamed = await client.chat.completions.stream({ model, messages: ask('how high?'), tools: [TOOL] })
      .finalChatCompletion();
    assert.equal(streamed.choices[0].finish_reason, 'tool_calls');
    assert.deepEqual(streamed.choices[0].message.tool_calls.map(({ id, function: { name, arguments: args } }) =>
      [id, name, args]), [[call.id, call.function.name, call.function.arguments]]);
  });

  test('of the built-in model', async () => {
    const { apiKey, baseURL } = await setup();
    const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
    const messages = ask('How is the weather in Rome?');
    const options = { model: 'demo', messages, tools: [TOOL] };
    const first = await client.chat.completions.create(options);
    assert.equal(first.choices[0].finish_reason, 'tool_calls');
    const { message } = first.choices[0];
    assert.deepEqual(message.tool_calls, [{
      id: 'call_demo_1_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"city"}' },
    }]);
    const streamed = await client.chat.completions.stream(options).finalChatCompletion();
    assert.deepEqual(streamed.choices[0].message.tool_calls.map(({ id, function: { name, arguments: args } }) =>
      [id, name, args]), [['call_demo_1_1', 'get_weather', '{"city":"city"}']]);
    messages.push(message, { role: 'tool', tool_call_id: 'call_demo_1_1', content: '17 degrees' });
    const second = await client.chat.completions.create(options);
    assert.equal(second.choices[0].finish_reason, 'stop');
    assert.equal(second.choices[0].message.content, 'The tool answered: “17 degrees”');
    // Not without being asked; and by order.
    const calm = { ...options, messages: ask('hello') };
    assert.match((await client.chat.completions.create(calm)).choices[0].message.content, /^Hello/);
    const forced = await client.chat.completions.create({
      ...calm, tool_choice: { type: 'function', function: { name: 'get_weather' } },
    });
    assert.equal(forced.choices[0].message.tool_calls[0].function.name, 'get_weather');
  });

  test('and answers in a form are parsed by the client openai', async () => {
    const { apiKey, baseURL } = await setup();
    const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
    const schema = { type: 'object', properties: { city: { type: 'string' }, degrees: { type: 'integer' } }, required: ['city', 'degrees'] };
    const options = { model: 'demo', messages: ask('Where is it warm?') };
    const answer = await client.chat.completions.parse({
      ...options, response_format: makeParseableResponseFormat(
        { type: 'json_schema', json_schema: { name: 'place', strict: true, schema } }, JSON.parse),
    });
    assert.deepEqual(answer.choices[0].message.parsed, { city: 'city', degrees: 1 });
    const called = [];
    const runner = client.chat.completions.runTools({
      ...options, messages: ask('How is the weather?'),
      tools: [{ ...TOOL, function: { ...TOOL.function, parse: JSON.parse, function: ({ city }) => { called.push(city); return '17'; } } }],
    });
    assert.equal(await runner.finalContent(), 'The tool answered: “17”');
    assert.deepEqual(called, ['city']);
  });

  test('of the package ai', async () => {
    const { model, ...settings } = await setup();
    const provider = createOpenAICompatible({ name: 'tidetalk', ...settings });
    const called = [];
    const options = {
      model: provider(model),
      prompt: 'how high?',
      maxRetries: 0,
      stopWhen: stepCountIs(3),
      tools: {
        [TOOL.function.name]: tool({
          description: TOOL.function.description,
          inputSchema: jsonSchema({ type: 'object' }),
          execute: async (input) => { called.push(input); return '3 m'; },
        }),
      },
    };
    const generated = await generateText(options);
    assert.equal(generated.steps.length, 2);
    assert.equal(generated.text, WORDS);
    const streamed = streamText(options);
    assert.equal(await streamed.text, WORDS);
    assert.equal((await streamed.steps).length, 2);
    assert.equal(called.length, 2);
    assert.deepEqual(called[0], called[1]);
  });
});
