// covers: doors, chat
// Tools of the server, called by a model within a response of /v1/responses.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { test } from './support/limits.mjs';
import { PATH, TOOL, create, joined, resume, stream, textOf } from './support/responses.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { event, sends, startUpstream } from './support/upstream.mjs';

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';

const PLUGIN = `
local function tool(approve, run)
  return { description = "The tide", parameters = { type = "object", properties = {} }, approve = approve, run = run }
end
return {
  api = 1,
  tools = {
    get_weather = tool(nil, function(_, turn) return { height = "3 m", user = turn.user_id } end),
    broken = tool(nil, function() return nil, "no such place" end),
    asking = tool("ask", function() return "it ran" end),
  },
}`;

describe("the server's tools at /v1/responses", () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  before(async () => {
    const folder = join(context.server.home.folder, 'plugins/tides');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'plugin.lua'), PLUGIN);
    await reloaded(context.server);
  });

  /** An answer that calls these, and one of a text. */
  const calling = (...names) => `${event({ tool_calls: names.map((name, index) => ({
    index, id: `c${index}`, type: 'function', function: { name, arguments: '{}' },
  })) })}${event({}, 'tool_calls')}data: [DONE]\n\n`;
  const saying = (text) => `${event({ content: text })}${event({}, 'stop')}data: [DONE]\n\n`;

  /** A user, and the response of a model that answers so, one answer after the other. */
  const scripted = async (answers, more) => {
    const upstream = await startUpstream();
    try {
      const user = await context.server.user();
      const { key, url } = upstream.add((request, response) => sends(answers.shift())(request, response));
      const response = await create(user, { model: await user.model(url), input: 'go', ...more });
      return { response, asked: upstream.of(key).map(({ json }) => json) };
    } finally {
      upstream.stop();
    }
  };

  const setup = async (scenario) => {
    const user = await context.server.user();
    return { user, model: await user.model(context.mock.url(scenario)) };
  };

  test('the model gets their results, and the response has the calls', async () => {
    const { user, model } = await setup('tools=1');
    const response = await create(user, { model, input: 'how high?', instructions: 'Be brief.', temperature: 0.5 });
    assert.equal(response.status, 'completed');
    assert.equal(textOf({ output: response.output.slice(1) }), WORDS);
    const [call, message] = response.output;
    const suffix = response.id.slice('resp_'.length);
    assert.deepEqual({ ...call, arguments: JSON.parse(call.arguments), output: JSON.parse(call.output) }, {
      id: `mcp_${suffix}_0`, type: 'mcp_call', status: 'completed', server_label: 'tidetalk', name: 'get_weather',
      arguments: JSON.parse(call.arguments), approval_request_id: null, error: null,
      output: { height: '3 m', user: user.user.id },
    });
    assert.deepEqual([message.type, message.id], ['message', `msg_${suffix}_1`]);
    assert.deepEqual(response.usage.output_tokens, 9, 'of both parts');
    const [first, second] = (await context.mock.requests()).slice(-2).map(({ json }) => json);
    assert.deepEqual(first.tools.map((tool) => tool.function.name), ['asking', 'broken', 'get_weather']);
    assert.equal(first.temperature, 0.5);
    assert.deepEqual(second.messages.map(({ role }) => role), ['system', 'user', 'assistant', 'tool']);
    assert.equal(second.messages[3].content, call.output);
    assert.deepEqual(await user.ok('GET', `${PATH}/${response.id}`), response);

    // The next response knows them, and so does a client that sends the items back.
    const next = await user.model(context.mock.url('echo=roles'));
    const roles = 'user,assistant,tool,assistant,user';
    const continued = await create(user, { model: next, input: 'and now?', previous_response_id: response.id });
    assert.equal(textOf(continued), roles);
    assert.equal((await context.mock.requests()).at(-1).json.messages[2].content, call.output);
    const input = [{ role: 'user', content: 'how high?' }, ...response.output, { role: 'user', content: 'and now?' }];
    assert.equal(textOf(await create(user, { model: next, input, store: false })), roles);
  });

  test('a stream has their events, from every event on', async () => {
    const { user, model } = await setup('tools=1,pace=2');
    const events = await stream(user, { model, input: 'how high?' });
    assert.deepEqual(joined(events).map(({ type }) => type.replace('response.', '')), [
      'created', 'in_progress', 'output_item.added', 'mcp_call.in_progress', 'mcp_call_arguments.done',
      'mcp_call.completed', 'output_item.done', 'output_item.added', 'content_part.added', 'output_text.delta',
      'output_text.done', 'content_part.done', 'output_item.done', 'completed',
    ]);
    const { response } = events.at(-1);
    assert.deepEqual(events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item),
      response.output);
    for (const [i, { sequence_number: number }] of events.entries()) {
      const rest = await resume(user, response.id, number);
      assert.deepEqual(joined([...events.slice(0, i + 1), ...rest]), joined(events), `from ${number}`);
    }
  });

  test('what fails, or needs a consent, is told to the model', async () => {
    const { response, asked } = await scripted([calling('broken', 'asking'), saying('well')]);
    assert.deepEqual(response.output.map(({ type, status, name }) => [type, status, name ?? '']), [
      ['mcp_call', 'failed', 'broken'], ['mcp_call', 'failed', 'asking'], ['message', 'completed', ''],
    ]);
    assert.equal(response.output[0].error, 'no such place');
    assert.match(response.output[1].error, /consent/);
    const told = asked[1].messages.filter(({ role }) => role === 'tool');
    assert.deepEqual(told.map(({ content }) => content), response.output.slice(0, 2).map(({ error }) => error));
  });

  test("calls of the client's tools are the client's", async () => {
    const own = { ...TOOL, name: 'mine' };
    const { response, asked } = await scripted([calling('get_weather'), calling('mine')], { tools: [own] });
    assert.deepEqual(response.output.map(({ type, name }) => [type, name]),
      [['mcp_call', 'get_weather'], ['function_call', 'mine']]);
    assert.deepEqual(asked[0].tools.map((tool) => tool.function.name), ['mine', 'asking', 'broken', 'get_weather']);
  });

  test('a response that is not stored has none', async () => {
    const { user, model } = await setup('tokens=1');
    await create(user, { model, input: 'hi', store: false });
    assert.equal((await context.mock.requests()).at(-1).json.tools, undefined);
  });
});
