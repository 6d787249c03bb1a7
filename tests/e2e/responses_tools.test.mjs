// covers: doors, chat
// /v1/responses: tools in a namespace, custom tools, tools that an item declares, and those of OpenAI's own server.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from './support/limits.mjs';
import { PATH, TOOL, assertRefused, create, resume, stream } from './support/responses.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { event, sends, startUpstream } from './support/upstream.mjs';

const call = (index, id, name, args) =>
  event({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: args } }] });
const more = (index, args) => event({ tool_calls: [{ index, function: { arguments: args } }] });

const AGENTS = {
  type: 'namespace',
  name: 'agents',
  description: 'Agents.',
  tools: [
    { type: 'function', name: 'close', description: 'Close it.', parameters: { type: 'object' }, strict: false },
    { type: 'custom', name: 'run', description: 'Run a program.' },
  ],
};
const MCP = { type: 'namespace', name: 'mcp__files__', tools: [{ ...TOOL, name: 'read' }] };
const PATCH = {
  type: 'custom',
  name: 'apply_patch',
  description: 'Change files.',
  format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
};
const TEXT = '*** Begin\n"潮" \\ x\n';
const INPUT = JSON.stringify({ input: TEXT });
const CALLS =
  call(0, 'c0', 'agents__close', '') + call(1, 'c1', 'apply_patch', INPUT.slice(0, 20)) + more(0, '{"a":1}')
  + more(1, INPUT.slice(20)) + call(2, 'c2', 'agents__run', '{"input":"ls"}')
  + call(3, 'c3', 'mcp__files__read', '{}') + call(4, 'c4', 'get_weather', '{}') + event({}, 'tool_calls')
  + 'data: [DONE]\n\n';
const ITEMS = [
  { type: 'function_call', call_id: 'c0', name: 'close', namespace: 'agents', arguments: '{"a":1}' },
  { type: 'custom_tool_call', call_id: 'c1', name: 'apply_patch', input: TEXT },
  { type: 'custom_tool_call', call_id: 'c2', name: 'run', namespace: 'agents', input: 'ls' },
  { type: 'function_call', call_id: 'c3', name: 'read', namespace: 'mcp__files__', arguments: '{}' },
  { type: 'function_call', call_id: 'c4', name: 'get_weather', arguments: '{}' },
];
const plain = (items) => items.map(({ id: _, status: __, ...item }) => item);

describe('tools of a response', () => {
  const context = withServer({ env: LOOPBACK });
  const setup = async (t, body) => {
    const upstream = await startUpstream();
    t.after(() => upstream.stop());
    const user = await context.server.user();
    const { url, key } = upstream.add(sends(body));
    return { user, model: await user.model(url), asked: () => upstream.of(key).at(-1).json };
  };

  test('have a namespace, or a text for their input', async (t) => {
    const { user, model, asked } = await setup(t, CALLS);
    const tools = [TOOL, AGENTS, PATCH, MCP, { type: 'web_search' }, { type: 'tool_search', execution: 'client' }];
    const events = await stream(user, {
      model, input: 'go', tools, tool_choice: { type: 'function', namespace: 'agents', name: 'close' },
    });

    const sent = asked();
    assert.deepEqual(sent.tools.map((tool) => [tool.type, tool.function.name, tool.function.description]), [
      ['function', 'get_weather', undefined], ['function', 'agents__close', 'Close it.'],
      ['function', 'agents__run', 'Run a program.'], ['function', 'apply_patch', 'Change files.'],
      ['function', 'mcp__files__read', undefined],
    ]);
    assert.deepEqual(sent.tools[2].function.parameters, {
      type: 'object',
      properties: { input: { type: 'string', description: 'The whole input, as plain text' } },
      required: ['input'],
      additionalProperties: false,
    });
    assert.match(sent.tools[3].function.parameters.properties.input.description, /lark grammar:\nstart: "x"$/);
    assert.deepEqual(sent.tool_choice, { type: 'function', function: { name: 'agents__close' } });

    const { response } = events.at(-1);
    assert.deepEqual(plain(response.output), ITEMS);
    assert.deepEqual(response.output.map((item) => item.id.split('_')[0]), ['fc', 'ctc', 'ctc', 'fc', 'fc']);
    assert.deepEqual(response.tools.map((tool) => tool.name), ['get_weather', 'agents', 'apply_patch', 'mcp__files__']);
    assert.deepEqual(response.tools[1], AGENTS);
    const done = events.filter((one) => one.type === 'response.output_item.done').map((one) => one.item);
    assert.deepEqual(done, response.output);
    const custom = events.filter((one) => one.type.startsWith('response.custom_tool_call_input'));
    assert.deepEqual(custom.map((one) => [one.type.split('.').at(-1), one.output_index, one.delta ?? one.input]), [
      ['delta', 1, TEXT], ['done', 1, TEXT], ['delta', 2, 'ls'], ['done', 2, 'ls'],
    ]);
    const pieces = events.filter((one) => one.type === 'response.function_call_arguments.delta');
    assert.deepEqual(pieces.map((one) => one.output_index), [0, 3, 4], 'nothing of a custom tool');

    // The same for everybody who comes later, from any event on.
    assert.deepEqual((await user.ok('GET', `${PATH}/${response.id}`)).output, response.output);
    for (const known of events) {
      const rest = await resume(user, response.id, known.sequence_number);
      assert.deepEqual(rest, events.slice(events.indexOf(known) + 1));
    }
  });

  test('go back to the model under the names that it knows', async (t) => {
    const { user, model, asked } = await setup(t, `${event({ content: 'ok' }, 'stop')}data: [DONE]\n\n`);
    const outputs = ITEMS.map(({ type, call_id: id }) => (
      { type: `${type}_output`, call_id: id, output: `${id} done` }));
    const first = await create(user, {
      model,
      input: [
        { type: 'additional_tools', role: 'developer', tools: [AGENTS, PATCH] },
        { role: 'user', content: 'go' }, ...ITEMS, ...outputs,
      ],
    });
    const calls = [
      ['agents__close', '{"a":1}'], ['apply_patch', INPUT], ['agents__run', '{"input":"ls"}'],
      ['mcp__files__read', '{}'], ['get_weather', '{}'],
    ];
    const check = ({ messages, tools }) => {
      assert.deepEqual(messages.slice(0, 2).map((one) => one.role), ['user', 'assistant']);
      assert.deepEqual(messages[1].tool_calls.map(({ function: one }) => [one.name, one.arguments]), calls);
      assert.deepEqual(messages.slice(2, 7).map((one) => [one.role, one.tool_call_id, one.content]),
        ITEMS.map(({ call_id: id }) => ['tool', id, `${id} done`]));
      assert.deepEqual(tools.map((tool) => tool.function.name), ['agents__close', 'agents__run', 'apply_patch']);
    };
    check(asked());
    assert.deepEqual(first.tools, [AGENTS, PATCH]);
    // What an item has declared is there for the next response, too.
    await create(user, { model, input: 'and?', previous_response_id: first.id });
    check(asked());
  });

  test('may be written otherwise than a custom tool wants', async (t) => {
    const { user, model } = await setup(t, call(0, 'a', 'apply_patch', 'no JSON') + event({}, 'length')
      + 'data: [DONE]\n\n');
    const { response } = (await stream(user, { model, input: 'go', tools: [PATCH] })).at(-1);
    assert.equal(response.status, 'incomplete');
    assert.deepEqual(plain(response.output), [{ type: 'custom_tool_call', call_id: 'a', name: 'apply_patch', input: 'no JSON' }]);
  });

  test('are refused by their place', async (t) => {
    const { user, model } = await setup(t, '');
    const refuse = async (tools, code, param) =>
      assertRefused(await user.post(PATH, { model, input: 'hi', tools }), 400, code, param);
    const within = (tool) => [{ type: 'namespace', name: 'n', tools: [tool] }];
    await refuse(within({ type: 'mcp' }), 'unsupported_type', 'tools[0].tools[0]');
    await refuse(within(AGENTS), 'unsupported_type', 'tools[0].tools[0]');
    await refuse(within({ type: 'function' }), 'missing_field', 'tools[0].tools[0].name');
    await refuse([{ type: 'namespace', tools: [] }], 'missing_field', 'tools[0].name');
    await refuse([{ type: 'namespace', name: 'n' }], 'missing_field', 'tools[0].tools');
    await refuse([{ type: 'custom' }], 'missing_field', 'tools[0].name');
    const items = async (item, param) =>
      assertRefused(await user.post(PATH, { model, input: [item] }), 400, 'missing_field', param);
    await items({ type: 'additional_tools' }, 'input[0].tools');
    await items({ type: 'custom_tool_call', call_id: 'a', name: 'b' }, 'input[0].input');
  });
});
