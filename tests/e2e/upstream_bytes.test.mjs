// covers: upstream, chat, doors, models, providers
// Real bytes of providers through the whole server: a sample of tests/data/upstream_cases over every route that
// reads an upstream, and what needs a connection: compression, headers, refusals with words, a stream that does
// not close. The cases at every cut are in tests/unit/tide/test_upstream_cases.c.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { FILES, fileOf } from '../data/upstream_cases/generate.mjs';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { ROOT } from './support/process.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { EVENTS, event, sends, startUpstream } from './support/upstream.mjs';

const HELLO = `${event({ content: 'hello' })}${event({ content: ' world' })}${event({}, 'stop')}data: [DONE]\n\n`;
const PACK = { gzip: gzipSync, zlib: deflateSync, bare: deflateRawSync };
const bodyOf = (one) => (one.packed ?? []).reduce((body, how) => PACK[how](body), Buffer.from(one.base64 ?? one.body, one.base64 ? 'base64' : 'utf8'));
const headersOf = (one) => ({ ...(one.type ? { 'Content-Type': one.type } : {}), ...(one.label ? { 'Content-Encoding': one.label } : {}) });

/** Answers that are read in another way when they are not the model's first ones. */
const learns = (one) => one.inside || one.name.startsWith('think_end_alone_later');

/** One case of each kind, as it is framed mostly; the other framings take their turn. */
const SAMPLE = Object.values(FILES).map((lines) => lines.filter((one) => !learns(one))).flatMap((lines) => {
  const kinds = Map.groupBy ? Map.groupBy(lines, (one) => one.name.split('/')[0]) : lines.reduce((map, one) => {
    const kind = one.name.split('/')[0];
    return map.set(kind, [...(map.get(kind) ?? []), one]);
  }, new Map());
  return [...kinds.values()].map((framings, i) => framings[i % framings.length]);
});

/** What clients of the OpenAI routes know instead of our codes, and the status where it is not 502. */
const AT_DOOR = {
  upstream_quota_empty: [429, 'insufficient_quota'],
  upstream_context_too_long: [400, 'context_length_exceeded'],
  upstream_content_refused: [400, 'content_filter'],
  upstream_rate_limited: [429, 'upstream_rate_limited'],
  upstream_too_large: [413, 'upstream_too_large'],
  upstream_rejected: [400, 'upstream_rejected'],
  upstream_parameter_unsupported: [400, 'upstream_parameter_unsupported'],
};
const atDoor = (code) => AT_DOOR[code] ?? [502, code];

describe("an upstream's bytes", () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_UPSTREAM_RETRIES: '0' } });
  before(async () => { context.upstream = await startUpstream(); });
  after(() => context.upstream.stop());

  /** A new user with a model behind this answer. */
  const setup = async (answer, provider = 'openai') => {
    const user = await context.server.user();
    const { url, key } = context.upstream.add(answer);
    const model = await user.model(url, { provider });
    return { user, model, key };
  };
  const sync = (user, model, session = uniqueName('s')) => user.post('/api/chat/message', {
    session_id: session, model_name: model, message: 'hi',
  });
  const door = (user, model, more = {}) => user.post('/v1/chat/completions', {
    model, messages: [{ role: 'user', content: 'hi' }], ...more,
  });
  const connection = async (user) => {
    const { api } = await user.ok('GET', '/api/user/apis/first');
    return user.ok('POST', `/api/user/apis/${api.id}/test`, {});
  };

  test('are those that the generator writes', () => {
    for (const [name, lines] of Object.entries(FILES)) {
      assert.ok(readFileSync(`${ROOT}/tests/data/upstream_cases/${name}.jsonl`, 'utf8') === fileOf(lines), `${name}: run generate.mjs`);
    }
  });

  for (const one of SAMPLE) {
    test(`${one.provider} ${one.name}`, async () => {
      const { want } = one;
      const { user, model } = await setup(sends(bodyOf(one), headersOf(one)), one.provider);
      const [first, second] = [uniqueName('a'), uniqueName('b')];
      const answer = await sync(user, model, first);
      assert.equal(answer.body.code, want.code, answer.text);
      assert.equal(answer.body.detail, want.detail);
      if (!want.code) assert.equal(answer.body.response, want.text);
      const reader = await user.stream(model, second, 'hi').catch((error) => ({ last: error.body, text: '' }));
      assert.equal(reader.last.code, want.code);
      assert.equal(reader.last.detail, want.detail);
      assert.equal(reader.text, want.text);
      for (const session of [first, second]) {
        const [, stored] = await user.messages(session);
        assert.deepEqual([stored.status, stored.content], [want.code ? 'error' : 'complete', want.text]);
        const why = ['content_filter', 'length'].includes(want.finish) || !want.code;
        assert.equal(stored.finish_reason, why ? want.finish : 'error');
        if (want.reasoning) assert.equal(stored.reasoning, want.reasoning);
        assert.ok(want.code || stored.content || stored.tool_calls.length, 'no empty success');
      }
      const tried = await connection(user);
      const fine = !want.code || want.code === 'upstream_length_reached';
      assert.deepEqual([tried.ok, tried.code], [fine, fine ? undefined : want.code]);
      const completion = await door(user, model);
      // A finish reason makes an answer at the doors, also without text.
      const passed = want.finish && ['upstream_empty', 'upstream_length_reached', 'upstream_content_refused'].includes(want.code);
      if (want.code && !passed) {
        assert.deepEqual([completion.status, completion.body.error.code], atDoor(want.code), completion.text);
        return;
      }
      const [choice] = completion.body.choices;
      assert.equal(choice.finish_reason, want.finish);
      assert.equal(choice.message.content ?? '', want.text);
      assert.deepEqual((choice.message.tool_calls ?? []).map((c) => [c.function.name, c.function.arguments]), want.calls);
    });
  }

  test('may be compressed though nobody asked', async () => {
    for (const [coding, pack] of [['gzip', gzipSync], ['deflate', deflateSync], ['br', brotliCompressSync]]) {
      const { user, model, key } = await setup(sends(pack(HELLO), { ...EVENTS, 'Content-Encoding': coding }));
      assert.equal((await sync(user, model)).body.response, 'hello world', coding);
      const [{ headers }] = context.upstream.of(key);
      assert.equal(headers['accept-encoding'], 'identity');
      assert.match(headers['user-agent'], /^TideTalk\/\d/);
    }
  });

  test('of a packing that is known by its label only are an error when they are not packed', async () => {
    const { user, model } = await setup(sends(HELLO, { ...EVENTS, 'Content-Encoding': 'br' }));
    const answer = await sync(user, model);
    assert.deepEqual([answer.status, answer.body.code], [502, 'upstream_bad_response']);
  });

  test('that begin inside the reasoning are known from the first answer on', async () => {
    const thoughts = `${event({ content: 'let me see' })}${event({ content: '\n</think>\n\nIt is 42' })}${event({}, 'stop')}`;
    const answers = [thoughts, thoughts, HELLO, HELLO];
    const { user, model } = await setup((_request, response) => response.writeHead(200, EVENTS).end(answers.shift()));
    const said = [];
    while (answers.length) {
      const session = uniqueName('s');
      await sync(user, model, session);
      const [, { content, reasoning }] = await user.messages(session);
      said.push([content, reasoning]);
    }
    assert.deepEqual(said, [
      ['let me see\n</think>\n\nIt is 42', ''],
      ['It is 42', 'let me see'],
      ['hello world', 'hello world'],
      ['hello world', ''],
    ]);
  });

  test('carry to the client what the provider wants back with a call', async () => {
    const extra = { google: { thought_signature: 'SIG' } };
    const call = { index: 0, id: 'f', function: { name: 'w', arguments: '{}' }, extra_content: extra };
    const { user, model, key } = await setup(sends(`${event({ tool_calls: [call] })}${event({}, 'stop')}`));
    const [{ message }] = (await door(user, model)).body.choices;
    assert.deepEqual(message.tool_calls[0].extra_content, extra);
    const streamed = await door(user, model, { stream: true });
    assert.match(streamed.text, /"extra_content":\{"google":\{"thought_signature":"SIG"\}\}/);
    await door(user, model, { messages: [message, { role: 'tool', tool_call_id: 'f', content: '1' }] });
    assert.deepEqual(context.upstream.of(key).at(-1).json.messages[0].tool_calls[0].extra_content, extra);
  });

  test('are not asked for where a reply cannot carry them', async () => {
    const { user, model, key } = await setup(sends(HELLO));
    const custom = { type: 'custom', custom: { name: 'shell' } };
    const plain = { type: 'function', function: { name: 'custom', parameters: { type: 'object' } } };
    const refused = await door(user, model, { tools: [plain, custom] });
    assert.deepEqual([refused.status, refused.body.error.code, refused.body.error.param], [400, 'unsupported_parameter', 'tools']);
    assert.equal((await door(user, model, { tools: [plain] })).status, 200);
    assert.equal(context.upstream.of(key).length, 1);
  });

  test('end soon after the finish reason, also when the connection stays open', async () => {
    const { user, model } = await setup((_request, response) => {
      response.writeHead(200, EVENTS);
      response.write(HELLO.replace('data: [DONE]\n\n', ''));
      const timer = setInterval(() => response.write(': still here\n\n'), 200);
      response.on('close', () => clearInterval(timer));
    });
    assert.equal((await sync(user, model)).body.response, 'hello world');
  });

  test('of a last event without its line ends are read while the connection stays open', async () => {
    const { user, model } = await setup((_request, response) => {
      response.writeHead(200, EVENTS);
      response.write(HELLO.trimEnd());
    });
    assert.equal((await sync(user, model)).body.response, 'hello world');
  });

  test('of an event over 1 MiB are read, and the image is named', async () => {
    const image = `data:image/png;base64,${'A'.repeat(1500000)}`;
    const { user, model } = await setup(sends(`${event({ content: 'Look' })}${event({ images: [{ image_url: { url: image } }] })}${event({}, 'stop')}`));
    assert.equal((await sync(user, model)).body.response, 'Look\n[image/png, 1.07 MiB]\n');
  });

  const REFUSALS = [
    [402, { error: { message: 'Insufficient Balance', type: 'unknown_error', code: 'invalid_request_error' } }, 'upstream_quota_empty'],
    [413, '<html>413 Request Entity Too Large</html>', 'upstream_too_large'],
    [400, { error: { code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT' } }, 'upstream_unauthorized'],
    [400, { error: { code: 'data_inspection_failed', message: 'Input data may contain inappropriate content.' } }, 'upstream_content_refused'],
    [400, { error: { message: "This model's maximum context length is 8192 tokens.", code: 'context_length_exceeded' } }, 'upstream_context_too_long'],
    [404, { error: { message: 'The model `x` does not exist', code: 'model_not_found' } }, 'upstream_model_unknown'],
    [404, 'page not found', 'upstream_not_found'],
    [400, { error: { message: "Unsupported parameter: 'top_k' is not supported with this model.", param: 'top_k', code: 'unsupported_parameter' } }, 'upstream_parameter_unsupported'],
    [400, { detail: 'bad' }, 'upstream_rejected'],
    [429, { error: { message: 'You exceeded your current quota', code: 'insufficient_quota' } }, 'upstream_quota_empty'],
    [500, { error: { message: 'the input is too long' } }, 'upstream_context_too_long'],
    [503, `${'x'.repeat(20000)}`, 'upstream_overloaded'],
  ];
  test('of a refusal say why', async () => {
    for (const [status, said, code] of REFUSALS) {
      const body = typeof said === 'string' ? said : JSON.stringify(said);
      const { user, model } = await setup(sends(body, { 'Content-Type': 'application/json' }, status));
      const answer = await sync(user, model);
      assert.deepEqual([answer.status, answer.body.code], [502, code], answer.text);
      const words = said.error?.message ?? said.detail;
      if (words) assert.equal(answer.body.detail, words);
      assert.equal((await connection(user)).code, code);
      const completion = await door(user, model);
      assert.deepEqual([completion.status, completion.body.error.code], atDoor(code));
    }
  });

  test('come from a local model without a key, at an address as it is pasted', async () => {
    const user = await context.server.user();
    const { url, key } = context.upstream.add(sends(HELLO));
    const api = { api_name: 'local', model_name: 'local', provider: 'vllm', base_url: ` ${url.replace('127.0.0.1', 'localhost')}/chat/completions/ ` };
    const stored = (await user.ok('POST', '/api/user/apis', api)).api;
    assert.deepEqual([stored.base_url, stored.api_key], [url.replace('127.0.0.1', 'localhost'), '']);
    assert.equal((await user.say('local', uniqueName('s'), 'hi')).response, 'hello world');
    assert.equal(context.upstream.of(key)[0].headers.authorization, undefined);
    const refused = await user.post('/api/user/apis', { ...api, api_name: 'other', provider: 'openai' });
    assert.deepEqual([refused.status, refused.body.code], [400, 'missing_field']);
  });

  test('never tell a key', async () => {
    const user = await context.server.user();
    const { url } = context.upstream.add((request, response) => {
      sends(JSON.stringify({ error: { message: `key ${request.headers.authorization.slice(7)} is wrong` } }), {}, 401)(request, response);
    });
    const model = await user.model(url, { api_key: 'tide-secret-0123456789' });
    const answer = await sync(user, model);
    assert.equal(answer.body.detail, 'key … is wrong');
    assert.doesNotMatch(JSON.stringify(await connection(user)), /secret/);
  });
});

describe('another try', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_UPSTREAM_RETRIES: '1', TIDETALK_UPSTREAM_RETRY_WAIT: '10ms' } });
  before(async () => { context.upstream = await startUpstream(); });
  after(() => context.upstream.stop());

  /** What comes of a first answer when the second one is good. */
  const attempt = async (first, provider = 'openai') => {
    const user = await context.server.user();
    let count = 0;
    const { url, key } = context.upstream.add((request, response, body) => {
      count += 1;
      (count === 1 ? first : sends(HELLO))(request, response, body);
    });
    const model = await user.model(url, { provider });
    const answer = await user.post('/api/chat/message', { session_id: uniqueName('s'), model_name: model, message: 'hi' });
    return { answer, asked: context.upstream.of(key).length };
  };

  test('follows what is over soon', async () => {
    const said = (error) => sends(`data: ${JSON.stringify({ error })}\n\n`);
    for (const first of [
      sends('data: [DONE]\n\n'),
      said({ code: 429, message: 'slow down' }),
      said({ code: 502, message: 'Provider returned error' }),
      said({ type: 'overloaded_error', message: 'Overloaded' }),
      sends('{}', {}, 500),
    ]) {
      const { answer, asked } = await attempt(first);
      assert.equal(answer.body.response, 'hello world', answer.text);
      assert.equal(asked, 2);
    }
  });

  test('does not follow what stays so', async () => {
    const quota = { error: { message: 'You exceeded your current quota', code: 'insufficient_quota' } };
    for (const first of [
      sends(JSON.stringify(quota), {}, 429),
      sends(JSON.stringify(quota)),
      sends('{}', {}, 402),
      sends(JSON.stringify({ error: { message: 'maximum context length' } }), {}, 500),
    ]) {
      const { answer, asked } = await attempt(first);
      assert.equal(answer.status, 502);
      assert.equal(asked, 1, answer.text);
    }
  });

  test('leaves out a parameter that the service refuses, and remembers it', async () => {
    const refuses = (name) => (request, response, body) => {
      if (name in body) sends(JSON.stringify({ error: { message: `Unknown parameter: '${name}'`, param: name } }), {}, 400)(request, response);
      else sends(HELLO)(request, response);
    };
    const user = await context.server.user();
    const { url, key } = context.upstream.add(refuses('stream_options'));
    const model = await user.model(url);
    for (let i = 0; i < 3; i += 1) assert.equal((await user.say(model, uniqueName('s'), 'hi')).response, 'hello world');
    assert.deepEqual(context.upstream.of(key).map(({ json }) => 'stream_options' in json), [true, false, false, false]);

    const door = { messages: [{ role: 'user', content: 'hi' }], temperature: 0 };
    const other = context.upstream.add(refuses('temperature'));
    door.model = await user.model(other.url);
    for (let i = 0; i < 2; i += 1) await user.ok('POST', '/v1/chat/completions', door);
    assert.deepEqual(context.upstream.of(other.key).map(({ json }) => 'temperature' in json), [true, false, false]);
  });

  test('asks a model that thinks for its own limit in a connection test', async () => {
    const user = await context.server.user();
    const { url, key } = context.upstream.add((request, response, body) => {
      const old = 'max_tokens' in body && "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
      const few = body.max_completion_tokens < 16 && 'Could not finish the message because max_tokens or model output limit was reached.';
      if (old || few) sends(JSON.stringify({ error: { message: old || few } }), {}, 400)(request, response);
      else sends(`${event({}, 'length')}data: [DONE]\n\n`)(request, response);
    });
    await user.model(url);
    const { api } = await user.ok('GET', '/api/user/apis/first');
    const tried = await user.ok('POST', `/api/user/apis/${api.id}/test`, {});
    assert.equal(tried.ok, true, JSON.stringify(tried));
    assert.equal(context.upstream.of(key).length, 3);
  });

  test('goes to another configuration when an account is empty', async () => {
    const user = await context.server.user();
    const empty = context.upstream.add(sends('{}', {}, 402));
    const good = context.upstream.add(sends(HELLO));
    await user.model(empty.url, { model_name: 'both' });
    await user.model(good.url, { model_name: 'both' });
    const answer = await user.say('both', uniqueName('s'), 'hi');
    assert.equal(answer.response, 'hello world');
    assert.equal(context.upstream.of(empty.key).length, 1);
  });
});
