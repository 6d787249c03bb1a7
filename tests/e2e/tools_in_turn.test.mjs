// late
// covers: chat, reply, tide
// Tools of the server, called by a model within one reply: stored, streamed, resumed, approved.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { putPlugin, removePlugins } from './support/plugins.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { event, sends, startUpstream } from './support/upstream.mjs';

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';

/** A plugin with the tool that the mock upstream calls. */
function putTool(server, members, body) {
  const folder = join(server.home.folder, 'plugins', 'tides');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'plugin.lua'), `
local counts = require("tide.shared").dict("tides")
local time = require "tide.time"
return {
  api = 1,
  tools = {
    get_weather = {
      description = "The height of the tide in a place",
      parameters = { type = "object", properties = { place = { type = "string" } } },
      ${members}
      run = function(args, turn)
        counts:incr("runs", 1)
        ${body}
      end,
    },
  },
  routes = {
    { method = "GET", path = "/api/tides", auth = "none", summary = "How often the tool ran.",
      handler = function() return { json = { runs = counts:get("runs") or 0 } } end },
  },
}`);
}

describe('tools in a turn', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_TOOLS_ROUNDS: '3' }, mock: true });

  const setup = async (scenario = 'tools=1') => {
    const user = await context.server.user();
    return { user, model: await user.model(context.mock.url(scenario)), session: uniqueName('session') };
  };
  const runs = async (user) => (await user.get('/api/tides')).body.runs;

  test('the model is asked again with the result, in one reply', async () => {
    const { server, mock } = context;
    putTool(server, '', 'return { place = args.place, height = "3 m" }');
    await reloaded(server);
    const { user, model, session } = await setup();
    const reader = await user.stream(model, session, 'how high?');
    assert.equal(reader.last.finish_reason, 'stop');
    assert.equal(reader.text, WORDS);
    // The mock counts messages and deltas: two and four of these, one and eight of those.
    assert.deepEqual(reader.last.usage, { attempts: 2, input_tokens: 6, output_tokens: 9 });
    assert.equal(reader.calls, '', 'calls of the server are no calls for the client');
    const [call, result] = reader.stepList();
    assert.equal(call.tool_call.name, 'get_weather');
    assert.equal(result.tool_result.id, call.tool_call.id);
    assert.match(result.tool_result.content, /"height":"3 m"/);
    const [first, second] = (await mock.requests()).slice(-2).map(({ json }) => json);
    assert.equal(first.tools[0].function.name, 'get_weather');
    assert.deepEqual(second.messages.map(({ role }) => role), ['system', 'user', 'assistant', 'tool']);
    assert.equal(second.messages[2].tool_calls[0].id, call.tool_call.id);
    assert.equal(second.messages[3].content, result.tool_result.content);

    // Stored with the message, and known in the next turn.
    const [, stored] = await user.messages(session);
    assert.equal(stored.status, 'complete');
    assert.equal(stored.content, WORDS);
    assert.deepEqual(stored.steps, [call, result]);
    const echo = await user.model(mock.url('echo=roles'));
    const next = await user.ok('POST', '/api/chat/message', {
      session_id: session, model_name: echo, message: 'and now?',
    });
    assert.equal(next.response, 'system,user,assistant,tool,assistant,user');
    const exported = await user.ok('GET', `/api/chat/sessions/${session}/export?format=json`);
    assert.deepEqual(exported.messages[1].steps, [call, result]);
  });

  test('positions count the steps, before and after the end', async () => {
    const { user, model, session } = await setup();
    const live = await user.stream(model, session, 'how high?');
    for (const frame of live.frames.slice(0, -1)) {
      const reader = await user.resume(session, frame.id);
      await within(reader.end(), 'the rest', HANG_MS);
      assert.equal(live.steps.endsWith(reader.steps) && live.text.endsWith(reader.text), true, frame.id);
      assert.equal(reader.frames.at(-1).id, live.frames.at(-1).id);
    }
  });

  test('a tool that fails, or takes too long, is told to the model', async () => {
    const { server, mock } = context;
    for (const [members, body, told] of [
      ['', 'error("broken")', 'The tool failed.'],
      ['', 'return nil, "no such place"', 'no such place'],
      ['timeout = 50,', 'time.sleep(20000)', 'The tool took too long.'],
    ]) {
      putTool(server, members, body);
      await reloaded(server);
      const { user, model, session } = await setup();
      const reader = await user.stream(model, session, 'how high?');
      assert.equal(reader.text, WORDS);
      assert.equal(reader.stepList()[1].tool_result.content, told);
      assert.equal(reader.stepList()[1].tool_result.is_error, true);
      assert.equal((await mock.requests()).at(-1).json.messages.at(-1).content, told);
    }
  });

  test('tools may be a function of the turn, and one that fails takes nothing along', async () => {
    const { server, mock } = context;
    const list = (name, text) => putPlugin(server, `${name}/plugin.lua`, `return { api = 1, tools = function(turn) ${text} end }`);
    putTool(server, '', 'return "3 m"');
    list('broken', 'error("no list")');
    list('later', `
      require("tide.time").sleep(1)
      local function tool(text)
        return { description = text, run = function() return text end }
      end
      return { ["of_" .. turn.user.username] = tool("own"), get_weather = tool("another"), ["a b"] = tool("bad") }`);
    await reloaded(server);
    const { user, model, session } = await setup();
    const reader = await user.stream(model, session, 'how high?');
    assert.equal(reader.text, WORDS);
    assert.equal(reader.stepList()[1].tool_result.content, '3 m', 'a tool that is always there keeps its name');
    const { json } = (await mock.requests()).at(-1);
    assert.deepEqual(json.tools.map((tool) => tool.function.name), ['get_weather', `of_${user.user.username}`]);
    const told = server.log().split('\n').filter((line) => line.includes('"tools failed"')).map((line) => JSON.parse(line));
    assert.ok(told.some(({ plugin, error }) => plugin === 'broken' && /plugin\.lua:1: no list/.test(error)), JSON.stringify(told));
    assert.ok(told.some(({ plugin, error }) => plugin === 'later' && /get_weather is there twice/.test(error)));
    assert.ok(told.some(({ plugin, error }) => plugin === 'later' && /tool a b: its name must/.test(error)));
    removePlugins(server);
    list('later', 'return {}');
    await reloaded(server);
    assert.equal((await user.stream(await user.model(mock.url('')), session, 'hi')).last.finish_reason, 'stop');
    assert.equal((await mock.requests()).at(-1).json.tools, undefined, 'no tools at all');
    removePlugins(server);
  });

  test('a model that only calls comes to an end', async () => {
    const { server } = context;
    putTool(server, '', 'return "3 m"');
    await reloaded(server);
    const upstream = await startUpstream();
    try {
      const call = { index: 0, id: 'again', type: 'function', function: { name: 'get_weather', arguments: '{}' } };
      const { key, url } = upstream.add(sends(`${event({ tool_calls: [call] })}${event({}, 'tool_calls')}data: [DONE]\n\n`));
      const user = await server.user();
      const answer = await user.post('/api/chat/message', {
        session_id: uniqueName('session'), model_name: await user.model(url), message: 'how high?',
      });
      assertError(answer, 502, 'too_many_tool_rounds');
      assert.equal(upstream.of(key).length, 4, 'it is asked once, and again after each of three rounds');
    } finally {
      upstream.stop();
    }
  });

  test("a call of the client's tool, after one of the server's, is passed on", async () => {
    const upstream = await startUpstream();
    try {
      const answers = ['get_weather', 'mine'].map((name) => sends(`${event({ tool_calls: [
        { index: 0, id: 'c', type: 'function', function: { name, arguments: '{}' } },
      ] })}${event({}, 'tool_calls')}data: [DONE]\n\n`));
      const { url } = upstream.add((request, response) => answers.shift()(request, response));
      const user = await context.server.user();
      const session = uniqueName('session');
      const reader = await user.stream(await user.model(url), session, 'how high?', {
        tools: [{ type: 'function', function: { name: 'mine', parameters: { type: 'object' } } }],
      });
      assert.equal(reader.last.finish_reason, 'tool_calls');
      assert.equal(reader.stepList().length, 2);
      assert.match(reader.calls, /"name":"mine"/);
      const [, stored] = await user.messages(session);
      assert.deepEqual(stored.tool_calls.map((call) => call.function.name), ['mine']);
    } finally {
      upstream.stop();
    }
  });

  test('stop ends a tool that runs', async () => {
    const { server } = context;
    putTool(server, '', 'time.sleep(20000) return "late"');
    await reloaded(server);
    const { user, model, session } = await setup();
    const reader = await user.open(model, session, 'how high?');
    await within(reader.until(({ steps }) => steps !== ''), 'the call', HANG_MS);
    assert.equal((await user.ok('POST', `/api/chat/sessions/${session}/stop`, {})).stopped, true);
    await within(reader.end(), 'the end', HANG_MS);
    assert.equal(reader.last.finish_reason, 'stopped');
    const [, stored] = await user.messages(session);
    assert.equal(stored.status, 'stopped');
    assert.equal(stored.steps.length, 1);
  });

  test('a call that needs approval waits for its user', async () => {
    const { server } = context;
    putTool(server, 'approve = "ask",', 'return "3 m"');
    await reloaded(server);
    const { user, model, session } = await setup();
    const before = await runs(user);
    const reader = await user.stream(model, session, 'how high?');
    assert.equal(reader.last.finish_reason, 'waiting');
    const [{ approval }] = reader.stepList();
    assert.equal(approval.name, 'get_weather');
    assert.equal(await runs(user), before, 'it has not run');
    const [, waiting] = await user.messages(session);
    assert.equal(waiting.status, 'waiting');

    const path = `/api/chat/sessions/${session}/approve`;
    const stranger = await server.user();
    assertError(await stranger.post(path, { message_id: waiting.id, approve: true }), 404, 'session_not_found');
    assertError(await user.post(path, {
      message_id: waiting.id, approve: true, calls: [{ id: 'other', approve: true }],
    }), 400, 'invalid_field');
    const { after } = await user.ok('POST', path, { message_id: waiting.id, approve: true });
    assert.equal(after, reader.frames.at(-2).id, 'it goes on behind the last step');
    const rest = await user.resume(session, after);
    await within(rest.end(), 'the rest', HANG_MS);
    assert.equal(rest.text, WORDS);
    assert.equal(rest.last.finish_reason, 'stop');
    assert.equal(await runs(user), before + 1);
    const [, stored] = await user.messages(session);
    assert.equal(stored.id, waiting.id);
    assert.equal(stored.status, 'complete');
    // Of both parts, and each counted once in the user's usage.
    assert.deepEqual(waiting.usage, { input_tokens: 2, output_tokens: 1 });
    assert.deepEqual(stored.usage, { attempts: 2, input_tokens: 6, output_tokens: 9 });
    assert.deepEqual(rest.last.usage, stored.usage);
    const [day] = (await user.ok('GET', '/api/usage')).data;
    assert.deepEqual([day.input_tokens, day.output_tokens], [6, 9]);
    assert.equal(stored.steps.length, 3);
    assertError(await user.post(path, { message_id: waiting.id, approve: true }), 409, 'nothing_to_continue');
  });

  test('a refusal is told to the model', async () => {
    const { user, model, session } = await setup();
    const before = await runs(user);
    const reader = await user.stream(model, session, 'how high?');
    const { after } = await user.ok('POST', `/api/chat/sessions/${session}/approve`, {
      message_id: reader.last.message_id, approve: false,
    });
    const rest = await user.resume(session, after);
    await within(rest.end(), 'the rest', HANG_MS);
    assert.equal(rest.stepList()[0].tool_result.content, 'The user did not allow this call.');
    assert.equal(rest.text, WORDS);
    assert.equal(await runs(user), before);
  });

  test('a reply whose tool is gone meanwhile goes on without it', async () => {
    const { server } = context;
    const { user, model, session } = await setup();
    const reader = await user.stream(model, session, 'how high?');
    assert.equal(reader.last.finish_reason, 'waiting');
    removePlugins(server);
    await reloaded(server);
    const { after } = await user.ok('POST', `/api/chat/sessions/${session}/approve`, {
      message_id: reader.last.message_id, approve: true,
    });
    const rest = await user.resume(session, after);
    await within(rest.end(), 'the rest', HANG_MS);
    assert.equal(rest.stepList().at(-1).tool_result.content, 'The tool failed.');
    assert.equal(rest.text, WORDS);
    assert.deepEqual(rest.last.usage, { attempts: 2, input_tokens: 6, output_tokens: 9 });
    const [day] = (await user.ok('GET', '/api/usage')).data;
    assert.deepEqual([day.input_tokens, day.output_tokens], [6, 9]);
  });

  for (const [members, told, times] of [
    ['', /not known/, 0], // nobody knows whether it took effect
    ['idempotent = true,', /^3 m$/, 1],
  ]) {
    test(`after a crash within a call the reply goes on (${members || 'not idempotent'})`, async () => {
      const { server } = context;
      putTool(server, members, 'time.sleep(20000) return "late"');
      await reloaded(server);
      const { user, model, session } = await setup();
      const before = await runs(user);
      const reader = await user.open(model, session, 'how high?');
      await within(reader.until(({ steps }) => steps !== ''), 'the call', HANG_MS);
      await eventually(async () => (await runs(user)) > before, 'the tool runs');
      await server.kill();
      putTool(server, members, 'return "3 m"');
      await server.start();
      const [, cut] = await user.messages(session);
      assert.equal(cut.status, 'interrupted');
      assert.equal(cut.steps.length, 1, 'a step is stored before it runs');
      const { after } = await user.ok('POST', `/api/chat/sessions/${session}/continue`, { message_id: cut.id });
      const rest = await user.resume(session, after);
      await within(rest.end(), 'the rest', HANG_MS);
      assert.match(rest.stepList().at(-1).tool_result.content, told);
      assert.equal(rest.text, WORDS);
      assert.equal(await runs(user), times, 'counts of the process: they began anew');
    });
  }
});
