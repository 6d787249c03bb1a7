// covers: upstream, chat, doors
// What a provider sends beside the text reaches clients of the OpenAI routes as it came, and goes back with the
// next request as they send it.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import OpenAI from 'openai';
import { uniqueName } from './support/client.mjs';
import { TOOL, ask, keyHolder } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { EVENTS, event, sends, startUpstream } from './support/upstream.mjs';

const CITED = [{ type: 'url_citation', url_citation: { url: 'https://a.example/', start_index: 0, end_index: 2 } },
  { type: 'url_citation', url_citation: { url: 'https://b.example/', start_index: 3, end_index: 5 } }];
const THOUGHT = [{ type: 'reasoning.text', text: 'hm', index: 0 }, { type: 'reasoning.encrypted', data: 'Zm9v', index: 1 }];
const USAGE = { prompt_tokens: 40, completion_tokens: 12, total_tokens: 52,
  prompt_tokens_details: { cached_tokens: 32 }, completion_tokens_details: { reasoning_tokens: 7 } };
const FINGERPRINT = 'fp_44709d6fcb';

const plain = (events) => events.replaceAll('data: {', `data: {"system_fingerprint":"${FINGERPRINT}",`);
const STREAM = plain(`${event({ role: 'assistant', content: '', reasoning_details: [THOUGHT[0]] })}${
  event({ content: 'Hi', reasoning_details: [THOUGHT[1]] })}${event({ content: ' you', annotations: [CITED[0]] })}${
  event({ annotations: [CITED[1]] }, 'stop')}data: ${JSON.stringify({ choices: [], usage: USAGE })}\n\ndata: [DONE]\n\n`);
const WHOLE = JSON.stringify({
  id: 'x', object: 'chat.completion', system_fingerprint: FINGERPRINT, usage: USAGE,
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi you', annotations: CITED, reasoning_details: THOUGHT } }],
}, null, 2);

describe('what stands beside the text', () => {
  const context = withServer({ env: LOOPBACK });
  before(async () => { context.upstream = await startUpstream(); });
  after(() => context.upstream.stop());

  const setup = async (answer, provider = 'openai') => {
    const { user, key, baseURL } = await keyHolder(context.server);
    const { url, key: name } = context.upstream.add(answer);
    const model = await user.model(url, { provider, model_name: provider });
    return { user, model, client: new OpenAI({ apiKey: key, baseURL, maxRetries: 0 }), asked: () => context.upstream.of(name) };
  };

  for (const [name, answer] of [['a stream', sends(STREAM)], ['JSON', sends(WHOLE, { 'Content-Type': 'application/json' })]]) {
    test(`of ${name} reaches the client`, async () => {
      const { user, model, client } = await setup(answer);
      const whole = await client.chat.completions.create({ model, messages: ask('hi') });
      const { message } = whole.choices[0];
      assert.deepEqual([message.content, message.annotations, message.reasoning_details], ['Hi you', CITED, THOUGHT]);
      assert.equal(whole.system_fingerprint, FINGERPRINT);
      assert.deepEqual(whole.usage, USAGE);
      const chunks = [];
      for await (const chunk of await client.chat.completions.create({
        model, messages: ask('hi'), stream: true, stream_options: { include_usage: true },
      })) chunks.push(chunk);
      const deltas = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta));
      assert.equal(deltas.map((delta) => delta.content ?? '').join(''), 'Hi you');
      assert.deepEqual(deltas.flatMap((delta) => delta.annotations ?? []), CITED);
      assert.deepEqual(deltas.flatMap((delta) => delta.reasoning_details ?? []), THOUGHT);
      assert.deepEqual(chunks.at(-1).usage, USAGE);
      assert.equal(chunks.at(-1).system_fingerprint, FINGERPRINT);
      assert.equal(chunks.at(-2).choices[0].finish_reason, 'stop');
      // A chat stores the parts of its usage.
      const session = uniqueName('s');
      const parts = { cached_tokens: 32, reasoning_tokens: 7 };
      const reader = await user.stream(model, session, 'hi');
      assert.deepEqual(reader.last.usage, { input_tokens: 40, output_tokens: 12, ...parts });
      const [, stored] = await user.messages(session);
      assert.deepEqual(stored.usage, { input_tokens: 40, output_tokens: 12, ...parts });
    });
  }

  test('are images, in one form whatever the provider', async () => {
    const data = Buffer.alloc(600_000, 7).toString('base64');
    const url = `data:image/png;base64,${data}`;
    const images = [{ type: 'image_url', image_url: { url } }];
    const gemini = [{ candidates: [{ content: { parts: [{ text: 'Look' }, { inlineData: { mimeType: 'image/png', data } }] } }] },
      { candidates: [{ content: { parts: [{ text: '' }] }, finishReason: 'STOP' }] }];
    for (const [provider, body] of [
      ['openai', `${event({ content: 'Look' })}${event({ images })}${event({}, 'stop')}data: [DONE]\n\n`],
      ['gemini', gemini.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('')],
    ]) {
      const { user, client } = await setup(sends(body), provider);
      const answer = await client.chat.completions.create({ model: provider, messages: ask('hi') });
      const { message } = answer.choices[0];
      assert.equal(message.content, 'Look\n[image/png, 585.9 KiB]\n');
      assert.deepEqual(message.images, images);
      const chunks = [];
      for await (const chunk of await client.chat.completions.create({
        model: provider, messages: ask('hi'), stream: true,
      })) chunks.push(chunk);
      assert.deepEqual(chunks.flatMap((chunk) => chunk.choices[0].delta.images ?? []), images);
      assert.equal((await user.say(provider, uniqueName('s'), 'hi')).response, message.content);
    }
  });

  test('goes back with the results of tools, as the client sends it', async () => {
    const call = { index: 0, id: 'c1', type: 'function', function: { name: TOOL.function.name, arguments: '{}' },
      extra_content: { google: { thought_signature: 'SIG123' } } };
    const { model, client, asked } = await setup((request, response, body) => {
      const results = body.messages.at(-1).role === 'tool';
      response.writeHead(200, EVENTS);
      response.end(results ? `${event({ content: 'done' })}${event({}, 'stop')}data: [DONE]\n\n`
        : `${event({ reasoning_content: 'hm', reasoning_details: THOUGHT })}${event({ tool_calls: [call] })}${event({}, 'tool_calls')}data: [DONE]\n\n`);
    });
    const messages = ask('how warm?');
    const first = await client.chat.completions.stream({ model, messages, tools: [TOOL] }).finalChatCompletion();
    const streamed = first.choices[0].message;
    const { message } = (await client.chat.completions.create({ model, messages, tools: [TOOL] })).choices[0];
    const { index: _, ...sent } = call;
    assert.deepEqual(message.tool_calls, [sent]);
    assert.equal(message.reasoning_content, 'hm');
    for (const one of [message, streamed]) {
      assert.deepEqual(one.reasoning_details, THOUGHT);
      await client.chat.completions.create({
        model, messages: [...messages, one, { role: 'tool', tool_call_id: 'c1', content: '17' }], tools: [TOOL],
      });
      const back = asked().at(-1).json.messages[1];
      assert.equal(back.reasoning_content, 'hm');
      assert.deepEqual(back.reasoning_details, THOUGHT);
      assert.deepEqual(back.tool_calls[0].extra_content, call.extra_content);
    }
  });
});
