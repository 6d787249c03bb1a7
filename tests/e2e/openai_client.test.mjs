// late
// bytes
// covers: doors, chat, account
// smoke
// The stock npm client `openai`, unmodified, against the OpenAI routes.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import OpenAI from 'openai';
import { ask, keyHolder } from './support/door.mjs';
import { eventually, test, within } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';

describe('the npm client openai', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  /** A client whose user has a model with this scenario. */
  const setup = async (scenario, options = {}) => {
    const { user, key, baseURL } = await keyHolder(context.server);
    const model = await user.model(context.mock.url(scenario), { model_name: 'tide-1' });
    return { user, model, client: new OpenAI({ apiKey: key, baseURL, maxRetries: 0, ...options }) };
  };

  test('chats', async () => {
    const { client, model } = await setup('reasoning=2');
    const answer = await client.chat.completions.create({ model, messages: ask('hi') });
    assert.match(answer.id, /^chatcmpl-[0-9a-f]{16}$/);
    assert.equal(answer.object, 'chat.completion');
    assert.equal(answer.model, model);
    assert.ok(Math.abs(answer.created - Date.now() / 1000) < 600);
    const [choice] = answer.choices;
    assert.equal(choice.message.role, 'assistant');
    assert.equal(choice.message.content, WORDS);
    assert.equal(choice.message.reasoning_content, 'think0 think1 ');
    assert.equal(choice.finish_reason, 'stop');
    assert.deepEqual(answer.usage, {
      prompt_tokens: 1, completion_tokens: 10, total_tokens: 11, completion_tokens_details: { reasoning_tokens: 2 },
    });
    assert.match(answer._request_id, /^[0-9a-f]{16}$/);
    assert.equal(answer.id, `chatcmpl-${answer._request_id}`);
  });

  test('streams, with the role first and the usage last', async () => {
    const { client, model } = await setup('text=hex:e6bdae22f09f8c8a0a,size=3,reasoning=1,pace=5,finish=length');
    const stream = await client.chat.completions.create({
      model, messages: ask('hi'), stream: true, stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.ok(chunks.every((chunk) => chunk.object === 'chat.completion.chunk' && chunk.id === chunks[0].id
      && chunk.model === model));
    assert.deepEqual(chunks[0].choices[0].delta, { role: 'assistant', content: '', refusal: null });
    const deltas = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta));
    assert.equal(deltas.map((delta) => delta.content ?? '').join(''), '潮"🌊\n');
    assert.equal(deltas.map((delta) => delta.reasoning_content ?? '').join(''), 'think0 ');
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    assert.deepEqual(last.usage, {
      prompt_tokens: 1, completion_tokens: 5, total_tokens: 6, completion_tokens_details: { reasoning_tokens: 1 },
    });
    assert.ok(chunks.every((chunk) => chunk.usage === null));
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'length');
    assert.ok(chunks.slice(0, -1).every((chunk) => chunk.choices[0].finish_reason === null));
  });

  test('streams without usage when it was not asked for', async () => {
    const { client, model } = await setup('');
    const stream = await client.chat.completions.create({ model, messages: ask('hi'), stream: true });
    for await (const chunk of stream) {
      assert.equal(chunk.choices.length, 1);
      assert.ok(!('usage' in chunk));
    }
  });

  test('gathers a stream with its helper', async () => {
    const { client, model } = await setup('pace=2');
    const runner = client.chat.completions.stream({ model, messages: ask('hi') });
    let text = '';
    runner.on('content', (delta) => { text += delta; });
    const final = await runner.finalChatCompletion();
    assert.equal(text, WORDS);
    assert.equal(final.choices[0].message.content, WORDS);
  });

  test('aborts, which ends the call to the upstream', async () => {
    const { client, model } = await setup('fault=endless,pace=5');
    const before = (await context.mock.stats()).client_closed;
    const stream = await client.chat.completions.create({ model, messages: ask('hi'), stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    stream.controller.abort();
    await eventually(async () => {
      const stats = await context.mock.stats();
      return stats.client_closed > before && stats.active === 0;
    }, 'the upstream is let go');
    // Before the first byte, and without a stream.
    for (const stream of [true, false]) {
      const { client: other, model: silent } = await setup('fault=hang');
      const controller = new AbortController();
      const answered = other.chat.completions.create(
        { model: silent, messages: ask('hi'), stream }, { signal: controller.signal });
      await eventually(async () => (await context.mock.stats()).active === 1, 'the upstream is asked');
      controller.abort();
      await assert.rejects(within(answered, 'the abort is seen'), OpenAI.APIUserAbortError);
      await eventually(async () => (await context.mock.stats()).active === 0, 'the upstream is let go');
    }
  });

  test('hands every other parameter on', async () => {
    const { client, model } = await setup('');
    await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'what is it?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }],
      temperature: 0.1, top_p: 0.95, max_completion_tokens: 77, stop: ['\n'], seed: 42, n: 1,
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
      logit_bias: { 50256: -100 }, user: 'somebody', vendor_field: { nested: [null, 1.5, []] },
    });
    const { json } = (await context.mock.requests()).at(-1);
    assert.deepEqual(json, {
      model,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'what is it?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }],
      temperature: 0.1, top_p: 0.95, max_completion_tokens: 77, stop: ['\n'], seed: 42, n: 1,
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
      logit_bias: { 50256: -100 }, user: 'somebody', vendor_field: { nested: [null, 1.5, []] },
      stream: true, stream_options: { include_usage: true },
    });
  });

  test('sends pictures within bounds', async () => {
    const { client, model } = await setup('');
    const picture = (bytes) => [{
      role: 'user', content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(bytes)}` } }],
    }];
    const answer = await client.chat.completions.create({ model, messages: picture(1.5 * 2 ** 20) });
    assert.equal(answer.choices[0].message.content, WORDS);
    // The refusal may come while the client still sends, which the client may then tell as a broken connection.
    const refused = await client.chat.completions.create({ model, messages: picture(4.5 * 2 ** 20) })
      .then(() => assert.fail('no error'), (error) => error);
    assert.ok(refused.code === 'body_too_large' || refused instanceof OpenAI.APIConnectionError, refused);
  });

  test('gets errors as its own kinds', async () => {
    const { client, model } = await setup('status=400');
    const failing = (call) => call.then(() => assert.fail('no error'), (error) => error);
    const unknown = await failing(client.chat.completions.create({ model: 'none', messages: ask('hi') }));
    assert.ok(unknown instanceof OpenAI.NotFoundError);
    assert.equal(unknown.code, 'model_not_found');
    assert.equal(unknown.param, 'model');
    assert.equal(unknown.type, 'not_found_error');
    assert.match(unknown.requestID, /^[0-9a-f]{16}$/);
    const empty = await failing(client.chat.completions.create({ model, messages: [] }));
    assert.ok(empty instanceof OpenAI.BadRequestError);
    assert.equal(empty.param, 'messages');
    const many = await failing(client.chat.completions.create({ model, messages: ask('hi'), n: 2 }));
    assert.equal(many.code, 'unsupported_parameter');
    const refused = await failing(client.chat.completions.create({ model, messages: ask('hi') }));
    assert.ok(refused instanceof OpenAI.BadRequestError);
    assert.equal(refused.code, 'upstream_rejected');
    for (const stream of [false, true]) {
      const limited = await setup('status=429,retry_after=7');
      const late = await failing(limited.client.chat.completions.create({
        model: limited.model, messages: ask('hi'), stream,
      }));
      assert.ok(late instanceof OpenAI.RateLimitError);
      assert.equal(late.code, 'upstream_rate_limited');
      assert.equal(late.headers.get('retry-after'), '7');
    }
    const nothing = await failing(client.get('/nothing/here'));
    assert.ok(nothing instanceof OpenAI.NotFoundError);
    assert.equal(nothing.code, 'not_found');
    assert.match(nothing.message, /What exists: .*POST \/v1\/chat\/completions, .*GET \/v1\/models\/:model[,.]/);
    assert.doesNotMatch(nothing.message, /\/api|compact|GET \/v1\/responses,/);
    for (const address of ['', '/']) {
      const root = await failing(client.get(client.baseURL + address));
      assert.deepEqual([root.status, root.code], [404, 'not_found']);
      assert.match(root.message, /What exists: .*POST \/v1\/responses,/);
    }
    const stranger = new OpenAI({ apiKey: 'sk-tide-wrong', baseURL: client.baseURL, maxRetries: 0 });
    const denied = await failing(stranger.models.list());
    assert.ok(denied instanceof OpenAI.AuthenticationError);
    assert.equal(denied.code, 'invalid_api_key');
    const other = new OpenAI({ apiKey: 'sk-proj-abc', baseURL: client.baseURL, maxRetries: 0 });
    const foreign = await failing(other.models.list());
    assert.ok(foreign instanceof OpenAI.AuthenticationError);
    assert.equal(foreign.code, 'invalid_api_key');
    assert.match(foreign.message, /begin with "sk-tide-"/);
  });

  test('gets an error in the middle of a stream', async () => {
    const { client, model } = await setup('fault=reset_mid,at=3,pace=20');
    const stream = await client.chat.completions.create({ model, messages: ask('hi'), stream: true });
    let text = '';
    await assert.rejects(async () => {
      for await (const chunk of stream) text += chunk.choices[0].delta.content ?? '';
    }, (error) => error instanceof OpenAI.APIError && error.code === 'upstream_reset'
      && error.type === 'server_error');
    assert.ok(WORDS.startsWith(text) && text.length > 0, text);
  });

  test('tries again what may fare better, and only that', async () => {
    const retrying = await setup('status=503,fails=2,id=client', { maxRetries: 3 });
    const before = (await context.mock.stats()).requests;
    const answer = await retrying.client.chat.completions.create({ model: retrying.model, messages: ask('hi') });
    assert.equal(answer.choices[0].message.content, WORDS);
    const hopeless = await setup('status=401', { maxRetries: 3 });
    const asked = (await context.mock.stats()).requests;
    assert.ok(asked >= before + 3);
    await assert.rejects(hopeless.client.chat.completions.create({ model: hopeless.model, messages: ask('hi') }),
      (error) => error.code === 'upstream_unauthorized');
    assert.equal((await context.mock.stats()).requests, asked + 1, 'a refused key is not asked twice');
  });

  test('makes embeddings', async () => {
    const { client, user, model } = await setup('');
    const input = ['high tide', '潮水'];
    const answer = await client.embeddings.create({ model, input, encoding_format: 'float', dimensions: 8 });
    assert.equal(answer.object, 'list');
    assert.equal(answer.data.length, 2);
    assert.ok(answer.data.every((one) => one.embedding.length > 0 && one.embedding.every(Number.isFinite)));
    const told = (await context.mock.requests()).at(-1);
    assert.equal(told.path, '/v1/embeddings');
    assert.deepEqual(told.json, { model, input, encoding_format: 'float', dimensions: 8 });
    const [{ requests, input_tokens: tokens, output_tokens: none }] = (await user.ok('GET', '/api/usage')).data;
    assert.deepEqual([requests, tokens, none], [1, answer.usage.prompt_tokens, 0]);
    const failing = (request) => client.embeddings.create(request)
      .then(() => assert.fail('no error'), (error) => error);
    assert.equal((await failing({ model: 'none', input: 'a' })).code, 'model_not_found');
    assert.equal((await failing({ model: 'demo', input: 'a' })).code, 'embeddings_not_supported');
    assert.equal((await failing({ model })).param, 'input');
    const limited = await setup('status=429,retry_after=7');
    const refused = await limited.client.embeddings.create({ model: limited.model, input: 'a' })
      .then(() => assert.fail('no error'), (error) => error);
    assert.equal(refused.code, 'upstream_rate_limited');
    assert.equal(refused.headers.get('retry-after-ms'), '7000');
  });

  test('lists the models that its user has', async () => {
    const { client, model } = await setup('');
    const ids = [];
    for await (const one of client.models.list()) ids.push([one.id, one.object, one.owned_by]);
    assert.deepEqual(ids, [[model, 'model', 'openai'], ['demo', 'model', 'demo']]);
    assert.equal((await client.models.retrieve(model)).id, model);
    await assert.rejects(client.models.retrieve('none'), OpenAI.NotFoundError);
  });

  test('talks to the built-in model without any configuration, also with a token', async () => {
    const { user, key, baseURL } = await keyHolder(context.server);
    for (const apiKey of [key, user.token]) {
      const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
      const answer = await client.chat.completions.create({ model: 'demo', messages: ask('hello') });
      assert.match(answer.choices[0].message.content, /demo model/);
      const streamed = await client.chat.completions.stream({
        model: 'demo', messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
      }).finalContent();
      assert.equal(streamed, answer.choices[0].message.content);
    }
    // Nothing of it is stored.
    assert.deepEqual((await user.ok('GET', '/api/chat/sessions')).data, []);
  });
});
