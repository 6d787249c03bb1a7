// postgres
// bytes
// covers: doors, providers, chat, http, serve
// Anthropic's Messages API, byte for byte: requests there, answers, events and errors back.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { createParser } from 'eventsource-parser';
import { keyHolder } from './support/door.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { sends, startUpstream } from './support/upstream.mjs';

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';
const TOOL = {
  name: 'get_weather', description: 'The weather in a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

describe('the Anthropic door', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  let upstream;
  before(async () => { upstream = await startUpstream(); });
  after(() => upstream.stop());

  /** `post` sends a request to the door as an Anthropic client does. */
  const setup = async (scenario, configuration = {}) => {
    const { user, key } = await keyHolder(context.server);
    const model = await user.model(configuration.base_url ?? context.mock.url(scenario), configuration);
    const client = context.server.client();
    const post = (body, { path = '/v1/messages', headers = {} } = {}) => client.post(path, {
      model, max_tokens: 100, messages: [{ role: 'user', content: 'hi' }], ...body,
    }, { headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01', ...headers } });
    const told = async () => (await context.mock.requests(1)).at(-1);
    return { user, key, model, post, told };
  };

  const eventsOf = (text) => {
    const events = [];
    const parser = createParser({ onEvent: ({ event, data }) => events.push({ event, ...JSON.parse(data) }) });
    parser.feed(text);
    for (const { event, type } of events) assert.equal(event, type);
    return events.map(({ event, ...data }) => data);
  };
  const stream = async (post, body = {}) => {
    const answer = await post({ stream: true, ...body });
    assert.equal(answer.status, 200, answer.text);
    return eventsOf(answer.text);
  };

  test('answers with a message', async () => {
    const { model, post } = await setup('reasoning=1');
    const answer = await post({});
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get('request-id'), answer.headers.get('x-request-id'));
    const { id, content, usage, ...rest } = answer.body;
    assert.equal(id, `msg_${answer.headers.get('request-id')}`);
    assert.deepEqual(rest, { type: 'message', role: 'assistant', model, stop_reason: 'end_turn', stop_sequence: null,
      stop_details: null, container: null });
    assert.deepEqual(content, [{ type: 'thinking', thinking: 'think0 ', signature: '' },
      { type: 'text', text: WORDS, citations: [] }]);
    assert.deepEqual([usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens], [1, 9, 0]);
  });

  test('streams events', async () => {
    const { model, post } = await setup('reasoning=1,tokens=1,finish=length');
    const answer = await post({ stream: true });
    assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
    const id = answer.headers.get('request-id');
    const [start, ...rest] = eventsOf(answer.text);
    assert.equal(start.type, 'message_start');
    const { usage, ...message } = start.message;
    assert.deepEqual(message, { id: `msg_${id}`, type: 'message', role: 'assistant', model, content: [],
      stop_reason: null, stop_sequence: null, stop_details: null, container: null });
    assert.ok(usage.input_tokens > 0 && usage.output_tokens === 0);
    const [, ...texts] = answer.text.split('\n\n');
    assert.deepEqual(texts, [
      'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
        + '{"type":"thinking","thinking":"","signature":""}}',
      'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
        + '{"type":"thinking_delta","thinking":"think0 "}}',
      'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}',
      'event: content_block_start\ndata: {"type":"content_block_start","index":1,"content_block":'
        + '{"type":"text","text":"","citations":[]}}',
      'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":'
        + '{"type":"text_delta","text":"tok0 "}}',
      'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}',
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},'
        + '"usage":{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}',
      'event: message_stop\ndata: {"type":"message_stop"}',
      '',
    ]);
    assert.equal(rest.at(-1).type, 'message_stop');
  });

  test('calls tools, whole and streamed, and takes their results', async () => {
    const { post, told } = await setup('tools=1');
    const body = { tools: [{ ...TOOL, cache_control: { type: 'ephemeral' } }],
      tool_choice: { type: 'tool', name: TOOL.name, disable_parallel_tool_use: true } };
    const whole = (await post(body)).body;
    assert.equal(whole.stop_reason, 'tool_use');
    const [call] = whole.content;
    assert.deepEqual({ ...call, id: '' }, { type: 'tool_use', id: '', name: TOOL.name, input: { city: 'Paris' },
      caller: { type: 'direct' } });
    const { json } = await told();
    assert.deepEqual(json.tools, [{ type: 'function', function: {
      name: TOOL.name, description: TOOL.description, parameters: TOOL.input_schema } }]);
    assert.deepEqual(json.tool_choice, { type: 'function', function: { name: TOOL.name } });
    assert.equal(json.parallel_tool_calls, false);

    const events = await stream(post, body);
    assert.deepEqual(events[1].content_block, { ...call, input: {} });
    const pieces = events.filter((event) => event.type === 'content_block_delta').map(({ delta }) => delta);
    assert.ok(pieces.every((delta) => delta.type === 'input_json_delta'));
    assert.deepEqual(JSON.parse(pieces.map((delta) => delta.partial_json).join('')), { city: 'Paris' });
    assert.equal(events.at(-2).delta.stop_reason, 'tool_use');

    const second = await post({ ...body, messages: [
      { role: 'user', content: 'how is it?' },
      { role: 'assistant', content: [{ type: 'thinking', thinking: 'Hm.', signature: 'x' },
        { type: 'text', text: 'I look.' }, call] },
      { role: 'user', content: [
        { type: 'tool_result', tool_use_id: call.id, is_error: true, content: [{ type: 'text', text: 'Rain.' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } }] },
        { type: 'text', text: 'So?', cache_control: { type: 'ephemeral' } }] },
    ] });
    assert.equal(second.status, 200, second.text);
    assert.deepEqual((await told()).json.messages, [
      { role: 'user', content: 'how is it?' },
      { role: 'assistant', content: 'I look.', tool_calls: [
        { id: call.id, type: 'function', function: { name: TOOL.name, arguments: JSON.stringify(call.input) } }] },
      { role: 'tool', tool_call_id: call.id, content: 'The tool failed.\n\nRain.' },
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
        { type: 'text', text: 'So?' }] },
    ]);
  });

  test('asks as a provider with another API understands', async () => {
    const { post, told } = await setup('');
    await post({
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }, { type: 'text', text: '潮' }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'one' }] },
        { role: 'assistant', content: 'two' },
        { role: 'user', content: [
          { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } },
          { type: 'document', title: 'Notes', source: { type: 'text', media_type: 'text/plain', data: 'ebb' } }] },
      ],
      stop_sequences: ['END'], temperature: 1.0, top_p: 0.5, top_k: 7, metadata: { user_id: 'u' }, unheard_of: 1,
      thinking: { type: 'enabled', budget_tokens: 1024 }, tool_choice: { type: 'any' },
      output_config: { format: { type: 'json_schema', schema: { type: 'object' } } },
    }, { path: '/v1/messages?beta=true', headers: { 'anthropic-beta': 'a-2025-01-01' } });
    const { json, headers } = await told();
    const { model, stream: streamed, stream_options: options, ...rest } = json;
    assert.ok(model && streamed && options);
    assert.equal(headers['anthropic-beta'], undefined);
    assert.deepEqual(rest, {
      messages: [
        { role: 'system', content: 'Be brief.\n\n潮' },
        { role: 'user', content: 'one' },
        { role: 'assistant', content: 'two' },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.example/b.png' } },
          { type: 'text', text: 'Notes\n\nebb' }] },
      ],
      max_tokens: 100, stop: ['END'], temperature: 1, top_p: 0.5, top_k: 7,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' }, strict: true } },
    });
  });

  test('refuses by name what has no place in that API, but not for the vendor', async () => {
    const other = await setup('');
    const own = await setup('', { provider: 'anthropic' });
    const part = (block) => ({ messages: [{ role: 'user', content: [block] }] });
    const cases = {
      'document.source.base64': part({ type: 'document', source: { type: 'base64', data: 'JVBERi0=' } }),
      'image.source.file': part({ type: 'image', source: { type: 'file', file_id: 'f' } }),
      search_result: part({ type: 'search_result', source: 'a', title: 'b', content: [] }),
      'tools.web_search_20250305': { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
      mcp_servers: { mcp_servers: [{ type: 'url', name: 'a', url: 'https://a.example' }] },
    };
    for (const [name, body] of Object.entries(cases)) {
      const refused = await other.post(body);
      assert.equal(refused.status, 400, name);
      assert.equal(refused.body.error.code, 'unsupported_parameter');
      assert.ok(refused.body.error.message.includes(`"${name}"`), refused.body.error.message);
      assert.equal((await own.post(body)).status, 200, name);
    }
  });

  test('gives the vendor what came', async () => {
    const { post, told } = await setup('', { provider: 'anthropic' });
    const body = {
      max_tokens: 64,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'hi', cache_control: { type: 'ephemeral', ttl: '1h' } }] },
        { role: 'assistant', content: [{ type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
          { type: 'redacted_thinking', data: 'eA==' }, { type: 'text', text: 'Hello.' }] },
        { role: 'user', content: 'and?' },
      ],
      thinking: { type: 'enabled', budget_tokens: 1024 }, metadata: { user_id: 'u' }, context_management: { edits: [] },
    };
    const answer = await post(body, { headers: { 'anthropic-beta': 'context-management-2025-06-27' } });
    assert.equal(answer.body.content[0].text, WORDS);
    const { json, headers } = await told();
    const { model, stream: streamed, ...rest } = json;
    assert.ok(model && streamed);
    assert.deepEqual(rest, body);
    assert.equal(headers['anthropic-beta'], 'context-management-2025-06-27');
    assert.equal(headers['anthropic-version'], '2023-06-01');
  });

  test('gives its client what the vendor says beside the text', async () => {
    const blocks = (...list) => list.flatMap(([start, ...deltas], index) => [
      { type: 'content_block_start', index, content_block: start },
      ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ]);
    const thought = { type: 'thinking', thinking: '', signature: '' };
    const signed = (signature) => ({ type: 'signature_delta', signature });
    const text = [{ type: 'text', text: '', citations: [] }, { type: 'text_delta', text: 'So.' }];
    const ask = async (list) => {
      const sent = [
        { type: 'message_start', message: { usage: { input_tokens: 5, cache_read_input_tokens: 1000, output_tokens: 1 } } },
        ...blocks(...list),
        { type: 'message_delta', delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' }, usage: { output_tokens: 40 } },
        { type: 'message_stop' },
      ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
      const { url } = upstream.add(sends(sent));
      const { post } = await setup('', { provider: 'anthropic', base_url: url });
      return [(await post({})).body, await stream(post)];
    };
    const list = [
      [thought, { type: 'thinking_delta', thinking: 'Hm.' }, signed('c2ln')],
      [{ type: 'redacted_thinking', data: 'eA==' }],
      text,
    ];
    const [message, events] = await ask(list);
    assert.deepEqual(events.slice(1, -2), blocks(...list));
    assert.deepEqual(events.at(-2).delta, { stop_reason: 'stop_sequence', stop_sequence: 'END' });
    const { usage } = events.at(-2);
    assert.deepEqual([usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens], [5, 1000, 40]);
    assert.deepEqual(message.content, [{ type: 'redacted_thinking', data: 'eA==' },
      { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' }, { type: 'text', text: 'So.', citations: [] }]);
    assert.deepEqual([message.stop_reason, message.stop_sequence], ['stop_sequence', 'END']);
    assert.deepEqual([message.usage.input_tokens, message.usage.cache_read_input_tokens], [5, 1000]);
    // Thoughts that are not shown have a signature all the same, and several ones have one each.
    const hidden = [[thought, signed('YQ==')], [thought, { type: 'thinking_delta', thinking: 'b' }, signed('Yg==')],
      [thought, { type: 'thinking_delta', thinking: 'c' }, signed('Yw==')], text];
    const [whole, shown] = await ask(hidden);
    assert.deepEqual(shown.slice(1, -2), blocks(...hidden));
    assert.deepEqual(whole.content[0], { type: 'thinking', thinking: 'bc', signature: '' });
    const [alone] = await ask([hidden[0], text]);
    assert.deepEqual(alone.content[0], { type: 'thinking', thinking: '', signature: 'YQ==' });
  });

  test('gives the vendor no thoughts that it has not signed', async () => {
    const { post, told } = await setup('', { provider: 'anthropic' });
    const call = { type: 'tool_use', id: 'c', name: TOOL.name, input: {} };
    const thought = { type: 'thinking', thinking: 'Hm.', signature: '' };
    const thinking = { type: 'enabled', budget_tokens: 1024 };
    const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'Rain.' }] };
    const ask = async (more, ...turns) => {
      await post({ tools: [TOOL], thinking, ...more, messages: [{ role: 'user', content: 'hi' }, ...turns] });
      const { json } = await told();
      return [json.messages.slice(1), json.thinking];
    };
    const turn = (...content) => ({ role: 'assistant', content });
    assert.deepEqual(await ask({}, turn(thought, call), result), [[turn(call), result], undefined]);
    const adaptive = { type: 'adaptive' };
    assert.deepEqual(await ask({ thinking: adaptive }, turn(thought, call), result), [[turn(call), result], adaptive]);
    const text = { type: 'text', text: 'Hello.' };
    const signed = { ...thought, signature: 'c2ln' };
    const go = { role: 'user', content: 'go' };
    assert.deepEqual(await ask({}, turn(thought, text), go, turn(signed, call), result),
      [[turn(text), go, turn(signed, call), result], thinking]);
  });

  test('counts tokens', async () => {
    const { post } = await setup('');
    const count = async (body) => (await post({ max_tokens: undefined, ...body },
      { path: '/v1/messages/count_tokens' })).body.input_tokens;
    const few = await count({});
    assert.ok(few > 0);
    assert.ok(await count({ system: 'x'.repeat(400), tools: [TOOL] }) > few + 100);
  });

  test('refuses with errors in the same form', async () => {
    const { key, model, post } = await setup('');
    const client = context.server.client();
    const check = (answer, status, type, code) => {
      assert.equal(answer.status, status, answer.text);
      const id = answer.headers.get('request-id');
      assert.ok(id && answer.headers.get('x-should-retry'));
      const { error: { message, ...error }, ...rest } = answer.body;
      assert.ok(message);
      assert.deepEqual([error, rest], [{ type, code }, { type: 'error', request_id: id }]);
    };
    const messages = [{ role: 'user', content: 'hi' }];
    check(await client.post('/v1/messages', {}), 401, 'authentication_error', 'unauthorized');
    check(await client.post('/v1/messages', {}, { headers: { 'x-api-key': 'sk-ant-x' } }),
      401, 'authentication_error', 'invalid_api_key');
    check(await client.post('/v1/messages', '{', { headers: { 'x-api-key': key } }),
      400, 'invalid_request_error', 'invalid_json');
    check(await client.post('/v1/messages', ' '.repeat(5 << 20), { headers: { 'x-api-key': key } }),
      413, 'request_too_large', 'body_too_large');
    check(await post({ max_tokens: undefined }), 400, 'invalid_request_error', 'missing_field');
    check(await post({ messages: [] }), 400, 'invalid_request_error', 'invalid_field');
    check(await post({ messages: [{ role: 'tool', content: 'x' }] }), 400, 'invalid_request_error', 'invalid_field');
    check(await post({ model: 'unknown' }), 404, 'not_found_error', 'model_not_found');
    check(await client.get('/v1/messages'), 405, 'invalid_request_error', 'method_not_allowed');
    // A Bearer token does as well.
    const answer = await client.post('/v1/messages', { model, max_tokens: 1, messages },
      { headers: { Authorization: `Bearer ${key}` } });
    assert.equal(answer.status, 200, answer.text);
  });

  test('tells how an upstream failed, before its first byte and after', async () => {
    const before = await (await setup('status=529')).post({ stream: true });
    assert.ok(before.status >= 500, before.text);
    assert.equal(before.body.type, 'error');
    assert.equal(before.body.error.type, 'overloaded_error');
    for (const [fault, type] of [['reset_mid', 'api_error'], ['close_mid', 'api_error']]) {
      const { post } = await setup(`fault=${fault},at=3,pace=5`);
      const events = await stream(post);
      assert.equal(events[0].type, 'message_start');
      assert.equal(events.filter((event) => event.delta?.type === 'text_delta').map((event) => event.delta.text).join(''),
        'tok0 tok1 tok2 ', fault);
      const { error: { message, ...error }, ...rest } = events.at(-1);
      assert.ok(message);
      assert.equal(error.type, type);
      assert.match(error.code, /^upstream_/);
      assert.equal(rest.type, 'error');
      assert.ok(!events.some((event) => event.type === 'message_stop'));
    }
  });

  test('lets the upstream go when its client leaves', async () => {
    const { key, model } = await setup('fault=endless,pace=5');
    const controller = new AbortController();
    const answer = await context.server.client().fetch('POST', '/v1/messages', {
      model, max_tokens: 100, stream: true, messages: [{ role: 'user', content: 'hi' }],
    }, { headers: { 'x-api-key': key }, signal: controller.signal });
    const reader = answer.body.getReader();
    await reader.read();
    controller.abort();
    await reader.closed.catch(() => {});
    await eventually(async () => (await context.mock.stats()).active === 0, 'the upstream is let go');
  });

  test('lists models as clients of each API expect', async () => {
    const { key, model } = await setup('', { model_name: 'claude-tide' });
    const client = context.server.client();
    const get = async (path, headers) => (await client.get(path, { headers: { 'x-api-key': key, ...headers } })).body;
    const one = { id: model, type: 'model', display_name: model, created_at: '1970-01-01T00:00:00Z', lifecycle: 'active' };
    const list = await get('/v1/models?limit=1000', { 'anthropic-version': '2023-06-01' });
    assert.deepEqual(list.data.find((entry) => entry.id === model), one);
    assert.deepEqual([list.has_more, list.first_id, list.last_id],
      [false, list.data[0].id, list.data.at(-1).id]);
    assert.deepEqual(await get(`/v1/models/${model}`, { 'anthropic-version': '2023-06-01' }), one);
    assert.equal((await get('/v1/models', {})).object, 'list');
  });
});
