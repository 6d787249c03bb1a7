// covers: doors
// /v1/responses without a client's library: what is asked of the upstream, and what is refused by name.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from './support/limits.mjs';
import { PATH, TOOL, assertRefused, create, readEvents, stream, textOf } from './support/responses.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { event, sends, startUpstream } from './support/upstream.mjs';

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';

describe('a request', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  const setup = async (scenario) => {
    const user = await context.server.user();
    return { user, model: await user.model(context.mock.url(scenario)) };
  };
  /** What the upstream was asked. */
  const asked = async () => (await context.mock.requests(1))[0].json;

  test('becomes a chat completion', async () => {
    const { user, model } = await setup();
    const response = await create(user, {
      model,
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'In French.' },
        { role: 'user', content: [
          { type: 'input_text', text: 'What is this?' },
          { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
        ] },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'I look.', annotations: [] }] },
        { type: 'function_call', call_id: 'c1', name: 'get_weather', arguments: '{"a":1}' },
        { type: 'function_call', call_id: 'c2', name: 'get_weather', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c1', output: 'warm' },
        { type: 'function_call_output', call_id: 'c2', output: [{ type: 'input_text', text: 'cold' }] },
      ],
      tools: [{ ...TOOL, description: 'd', strict: true }, { ...TOOL, name: 'other' }],
      tool_choice: { type: 'function', name: 'get_weather' },
      parallel_tool_calls: false,
      text: { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true } },
      reasoning: { effort: 'low' },
      max_output_tokens: 55,
      temperature: 0.5,
      top_p: 0.9,
      metadata: { a: 'b' },
      truncation: 'auto',
      store: false,
    });
    const call = (id, args) => ({ id, type: 'function', function: { name: 'get_weather', arguments: args } });
    const { stream: _, stream_options: __, ...body } = await asked();
    assert.deepEqual(body, {
      model,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'system', content: 'In French.' },
        { role: 'user', content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
        ] },
        { role: 'assistant', content: 'I look.', tool_calls: [call('c1', '{"a":1}'), call('c2', '{}')] },
        { role: 'tool', tool_call_id: 'c1', content: 'warm' },
        { role: 'tool', tool_call_id: 'c2', content: 'cold' },
      ],
      tools: [
        {
          type: 'function',
          function: { name: 'get_weather', description: 'd', parameters: { type: 'object' }, strict: true },
        },
        { type: 'function', function: { name: 'other', parameters: { type: 'object' } } },
      ],
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
      reasoning_effort: 'low',
      max_tokens: 55,
      temperature: 0.5,
      top_p: 0.9,
    });
    assert.equal(response.object, 'response');
    assert.equal(response.status, 'completed');
    assert.equal(response.instructions, 'Be brief.');
    assert.deepEqual(response.metadata, { a: 'b' });
    assert.equal(response.store, false);
    assert.equal(response.truncation, 'auto');
    assert.deepEqual(response.tool_choice, { type: 'function', name: 'get_weather' });
    assert.deepEqual(response.output, [{
      id: response.id.replace('resp_', 'msg_') + '_0', type: 'message', status: 'completed', role: 'assistant',
      content: [{ type: 'output_text', text: WORDS, annotations: [], logprobs: [] }],
    }]);
    assert.deepEqual(response.usage, {
      input_tokens: 6, input_tokens_details: { cached_tokens: 0 },
      output_tokens: 8, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 14,
    });
  });

  test('allows some of its tools, or asks for any JSON', async () => {
    const { user, model } = await setup();
    await create(user, {
      model,
      input: 'hi',
      tools: [TOOL, { ...TOOL, name: 'other' }],
      tool_choice: { type: 'allowed_tools', mode: 'required', tools: ['word', { type: 'function', namespace: 5, name: 'other' }] },
      text: { format: { type: 'json_object' }, verbosity: 'low' },
    });
    const body = await asked();
    assert.deepEqual(body.tools.map((tool) => tool.function.name), ['other']);
    assert.equal(body.tool_choice, 'required');
    assert.deepEqual(body.response_format, { type: 'json_object' });
    assert.equal(body.verbosity, 'low');
  });

  test('is told by name what is not offered', async () => {
    const { user, model } = await setup();
    const refuse = async (body, code, param) => {
      const message = assertRefused(await user.post(PATH, { model, input: 'hi', ...body }), 400, code, param);
      assert.ok(message.includes(param) || message.includes('"'), message);
      return message;
    };
    assert.match(await refuse({ tools: [{ type: 'web_search' }] }, 'unsupported_type', 'tools[0]'), /web_search/);
    assert.match(await refuse({ tools: [TOOL, { type: 'mcp' }] }, 'unsupported_type', 'tools[1]'), /mcp/);
    await refuse({ tool_choice: { type: 'file_search' } }, 'unsupported_type', 'tool_choice');
    await refuse({ text: { format: { type: 'grammar' } } }, 'unsupported_type', 'text.format');
    await refuse({ text: { format: 'json_object' } }, 'unsupported_type', 'text.format');
    await refuse({ tool_choice: { type: 'allowed_tools', mode: 'auto', tools: {} } }, 'unsupported_type', 'tool_choice');
    await refuse({ conversation: 'conv_1' }, 'unsupported_parameter', 'conversation');
    await refuse({ prompt: { id: 'p' } }, 'unsupported_parameter', 'prompt');
    await refuse({ context_management: 5 }, 'unsupported_parameter', 'context_management');
    await refuse({ top_logprobs: 2 }, 'unsupported_parameter', 'top_logprobs');
    await refuse({ include: ['message.output_text.logprobs'] }, 'unsupported_parameter', 'include');
    await refuse({ background: true, store: false }, 'unsupported_parameter', 'background');
    await refuse({ input: [{ type: 'computer_call' }] }, 'unsupported_type', 'input[0]');
    const part = (content) => ({ input: [{ role: 'user', content: [content] }] });
    await refuse(part({ type: 'input_audio' }), 'unsupported_type', 'input[0].content[0]');
    await refuse(part({ type: 'input_image', file_id: 'f' }), 'missing_field', 'input[0].content[0].image_url');
    await refuse({ input: [{ type: 'function_call_output', output: 'x' }] }, 'missing_field', 'input[0].call_id');
    await refuse({ input: [{ id: 'msg_00_0' }] }, 'item_not_found', 'input');
    await refuse({ previous_response_id: 'resp_0' }, 'previous_response_not_found', 'previous_response_id');
    await refuse({ input: undefined }, 'missing_field', 'input');
    assertRefused(await user.post(PATH, { input: 'hi' }), 400, 'missing_field', 'model');
    assertRefused(await user.post(PATH, { model: 'nobody', input: 'hi' }), 404, 'model_not_found');
    const compact = await user.post(`${PATH}/compact`, { model, input: 'hi' });
    assert.match(assertRefused(compact, 404, 'endpoint_not_supported'), /compact/);
    assert.match(assertRefused(await user.get(PATH), 404, 'endpoint_not_supported'), /WebSocket/);
    // Nothing of it was stored.
    assert.equal((await user.ok('GET', '/api/chat/sessions?source=responses')).pagination.total, 0);
  });

  test('written in many lines is told in events of one line', async () => {
    const { user, model } = await setup('tokens=3');
    const body = { model, input: 'hi', stream: true, metadata: { a: 'b' }, tools: [TOOL] };
    const [created] = await readEvents(await user.fetch('POST', PATH, JSON.stringify(body, null, 2)));
    assert.deepEqual(created.response.metadata, { a: 'b' });
    assert.deepEqual(created.response.tools[0].parameters, TOOL.parameters);
  });

  test('that fails is an error with its status, also when it streams', async () => {
    const { user, model } = await setup('status=429,retry_after=60');
    for (const more of [{}, { stream: true }, { store: false }]) {
      const answer = await user.post(PATH, { model, input: 'hi', ...more });
      assertRefused(answer, 429, 'upstream_rate_limited');
      assert.equal(answer.headers.get('retry-after'), '60');
    }
  });

  test('that fails behind its first text tells OpenAI\'s code, in its stream and later', async (t) => {
    const upstream = await startUpstream();
    t.after(() => upstream.stop());
    const user = await context.server.user();
    for (const [told, code] of [
      ['context_length_exceeded', 'context_length_exceeded'],
      ['insufficient_quota', 'insufficient_quota'],
      ['server_error', 'upstream_failed'],
    ]) {
      const error = { message: 'no', type: told, code: told };
      const { url } = upstream.add(sends(`${event({ content: 'so ' })}data: ${JSON.stringify({ error })}\n\n`));
      const { type, response } = (await stream(user, { model: await user.model(url), input: 'hi' })).at(-1);
      assert.equal(type, 'response.failed');
      assert.equal(response.error.code, code);
      const later = await user.ok('GET', `${PATH}/${response.id}`);
      assert.equal(later.error.code, code);
      assert.equal(later.error.message, response.error.message);
    }
  });

  test('of the built-in model calls a tool and answers', async () => {
    const user = await context.server.user();
    const first = await create(user, { model: 'demo', input: 'How is the weather in Rome?', tools: [TOOL] });
    assert.deepEqual(first.output.map((item) => item.type), ['function_call']);
    const second = await create(user, {
      model: 'demo',
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: first.output[0].call_id, output: '17 degrees' }],
      tools: [TOOL],
    });
    assert.match(textOf(second), /17 degrees/);
  });
});
