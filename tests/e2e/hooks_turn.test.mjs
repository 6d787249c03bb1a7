// late
// covers: chat, doors, lib, account
// What hooks see of a turn and may change: each field reaches the upstream or the stored row.
import assert from 'node:assert/strict';
import { before, describe } from 'node:test';
import { reload, reloaded } from './support/bundle.mjs';
import { uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { putHooks, removePlugins } from './support/plugins.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { upload } from './support/upload.mjs';

/** What a hook sees goes into the log as JSON. */
const HEAD = `
local json = require "tide.json"
local log = require "tide.log"
local function see(turn, more)
  log.info("seen", { session = turn.session_id, json = json.encode(more) })
end`;

const TOOL = { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } };

describe('hooks of a turn', () => {
  const context = withServer({ env: { ...LOOPBACK }, mock: true });
  let user, model;
  before(async () => {
    user = await context.server.user();
    model = await user.model(context.mock.url('echo=body'), { model_name: 'large' });
    await user.model(context.mock.url('echo=body'), { model_name: 'small', upstream_model: 'upstream-small' });
  });

  const install = async (hooks) => {
    putHooks(context.server, hooks, { head: HEAD });
    await reloaded(context.server);
  };
  const seen = (session) => eventually(() => {
    const line = context.server.log().split('\n').find((l) => l.includes('"seen"') && l.includes(session));
    return line && JSON.parse(JSON.parse(line).json);
  }, 'the hook has seen the turn');
  /** The body that the upstream gets for a message. */
  const asked = async (message, more = {}, session = uniqueName('s')) =>
    JSON.parse((await user.say(model, session, message, more)).response);
  const door = async (more, path = '/v1/chat/completions') => user.post(path, {
    model: 'large', messages: [{ role: 'user', content: 'hi' }], ...more,
  });

  test('that begin a turn are called for it too, and end at a bound', async () => {
    await install(`before_turn = function(turn)
      local number = require("tide.shared").dict("nested"):incr("turns")
      require("tide.chat").turn({ user = turn.user_id, session = "nested" .. number, message = "m", model = turn.model_name })
    end`);
    assert.equal((await user.say(model, uniqueName('s'), 'hi')).finish_reason, 'stop');
    const failed = context.server.log().split('\n').filter((line) => line.includes('"hook failed"'));
    assert.equal(failed.length, 1);
    assert.match(JSON.parse(failed[0]).error, /^plugins\/watch\/plugin\.lua:\d+: chat\.turn: .* more than 4 deep/);
    const { total } = (await user.ok('GET', '/api/chat/sessions')).pagination;
    assert.equal(total, 5);
  });

  test('see its request, user and session', async () => {
    await install(`before_turn = function(turn)
      see(turn, { id = turn.req.id, address = turn.req.address, team = turn.req.headers["x-team"],
        language = turn.req.language, user = turn.user.username, role = turn.user.role, user_id = turn.user_id,
        title = turn.session and turn.session.title, count = turn.session and turn.session.message_count,
        first = turn.first, persona = turn.persona, message = turn.message, model = turn.model_name,
        files = #turn.files, options = turn.options, tools = turn.tools })
    end`);
    const session = uniqueName('s');
    const answer = await user.post('/api/chat/message', {
      session_id: session, model_name: model, message: 'ahoy', options: { temperature: 0.5 }, tools: [TOOL],
    }, { headers: { 'X-Team': 'blue' } });
    const { persona, ...saw } = await seen(session);
    assert.deepEqual(saw, {
      id: answer.headers.get('x-request-id'), address: '127.0.0.1', team: 'blue', language: 'en',
      user: user.user.username, role: 'user', user_id: user.user.id, first: true, message: 'ahoy', model: 'large',
      files: 0, options: { temperature: 0.5 }, tools: [TOOL],
    });
    assert.equal(persona, (await user.ok('GET', '/api/chat/sessions')).data[0].Persona);
  });

  test('take long: a session that is gone meanwhile gets nothing, nor one that has its row', async () => {
    await install(`before_llm = function(turn)
      if turn.message == "wait" then
        assert(require("tide.db").write({ {
          "UPDATE chat_sessions SET session_id = ? WHERE session_id = ? AND user_id = ?",
          { turn.session_id .. "-next", turn.session_id, turn.user_id }, expect = 1,
        } }))
      end
    end`);
    const session = uniqueName('s');
    await user.say(model, session, 'ahoy');
    assertError(await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'wait' }),
      404, 'session_deleted');
    assert.equal((await user.messages(`${session}-next`)).length, 2);
  });

  test('send a turn to another model, which the session does not keep', async () => {
    await install(`before_turn = function(turn)
      if turn.model_name == "auto" then turn.model_name = #turn.message < 10 and "small" or "large" end
    end`);
    const session = uniqueName('s');
    const short = JSON.parse((await user.say('auto', session, 'short')).response);
    assert.equal(short.model, 'upstream-small');
    const long = JSON.parse((await user.say('auto', session, 'a long message')).response);
    assert.equal(long.model, 'large');
    const rows = await user.messages(session);
    assert.deepEqual(rows.map((row) => row.model_name), ['small', 'small', 'large', 'large']);
    assert.equal((await user.ok('GET', '/api/chat/sessions')).data[0].ModelName, 'auto');
    const completion = await door({ model: 'auto', max_tokens: 3 });
    assert.equal(JSON.parse(completion.body.choices[0].message.content).model, 'upstream-small');
    assert.equal(completion.body.model, 'auto');
  });

  test('change the message before it is stored, and the persona', async () => {
    await install(`before_turn = function(turn)
      turn.message = turn.message:gsub("%d", "#")
      turn.persona = require("tide.personas")[2].name
    end`);
    const session = uniqueName('s');
    const body = await asked('call 123', {}, session);
    assert.equal(body.messages.at(-1).content, 'call ###');
    assert.equal((await user.messages(session))[0].content, 'call ###');
    const { personas } = await user.ok('GET', '/api/personas');
    assert.equal((await user.ok('GET', '/api/chat/sessions')).data[0].Persona, personas[1].name ?? personas[1]);
  });

  test('change the options, the tools and the choice, early and late', async () => {
    for (const moment of ['before_turn', 'before_llm']) {
      await install(`${moment} = function(turn)
        turn.options.temperature = 0.25
        turn.options.max_tokens = 77
        turn.tools[1]["function"].name = "g"
        turn.tools[2] = { type = "function", ["function"] = { name = "h" } }
        turn.tool_choice = "required"
      end`);
      const body = await asked('hi', { tools: [TOOL], options: { temperature: 1 } });
      assert.equal(body.temperature, 0.25, moment);
      assert.equal(body.max_tokens, 77);
      assert.deepEqual(body.tools.map((tool) => tool.function.name), ['g', 'h']);
      assert.equal(body.tool_choice, 'required');
      const completion = await door({ temperature: 1.0, tools: [TOOL], seed: 7, stop: ['x'] });
      const sent = JSON.parse(completion.body.choices[0].message.content);
      assert.deepEqual([sent.temperature, sent.max_tokens, sent.seed, sent.stop], [0.25, 77, 7, ['x']]);
      assert.deepEqual(sent.tools.map((tool) => tool.function.name), ['g', 'h']);
    }
  });

  test('take tools and options away', async () => {
    await install('before_llm = function(turn) turn.tools, turn.options = nil, {} end');
    const body = await asked('hi', { tools: [TOOL], options: { temperature: 1 } });
    assert.deepEqual([body.tools, body.temperature], [undefined, undefined]);
    const session = uniqueName('s');
    await asked('hi', {}, session);
    await user.ok('PATCH', `/api/chat/sessions/${session}`, { options: { temperature: 0.5 } });
    assert.equal((await asked('hi', {}, session)).temperature, undefined, 'also those of the session');
    const sent = JSON.parse((await door({ tools: [TOOL], seed: 7 })).body.choices[0].message.content);
    assert.deepEqual([sent.tools, sent.seed], [undefined, undefined]);
  });

  test('leave what nobody touches as it came', async () => {
    await install('before_llm = function(turn) local _ = turn.options.seed, turn.tools end');
    const raw = '{"model":"large","seed":1.0,"messages":[{"role":"user","content":"hi"}],"temperature":1.0}';
    const answer = await user.post('/v1/chat/completions', raw, { headers: { 'Content-Type': 'application/json' } });
    assert.match(answer.body.choices[0].message.content, /"seed":1\.0,.*"temperature":1\.0/);
  });

  test('see and change the messages, at each door', async () => {
    await install(`before_llm = function(turn)
      see(turn, { count = #turn.messages })
      turn.messages[#turn.messages].content = "changed"
    end`);
    const session = uniqueName('s');
    assert.equal((await asked('hi', {}, session)).messages.at(-1).content, 'changed');
    assert.deepEqual(await seen(session), { count: 2 });
    const text = (answer) => JSON.stringify(answer.body);
    assert.match(text(await door({})), /changed/);
    assert.match(text(await user.post('/v1/completions', { model, prompt: 'hi' })), /changed/);
    assert.match(text(await user.post('/v1/responses', { model, input: 'hi' })), /changed/);
    assert.match(text(await user.post('/v1/messages', {
      model, max_tokens: 9, messages: [{ role: 'user', content: 'hi' }],
    })), /changed/);
  });

  test('see the files, and may leave them out', async () => {
    await install(`before_turn = function(turn)
      see(turn, { names = { turn.files[1].name } })
      if turn.message == "without" then turn.files = {} end
    end`);
    const session = uniqueName('s');
    await user.say(model, session, 'begin');
    const file = await upload(user, session, 'tide.txt', 'the text of the file');
    const file_ids = [file.file_id ?? file.id];
    assert.match(JSON.stringify(await asked('with', { file_ids }, session)), /the text of the file/);
    assert.doesNotMatch(JSON.stringify((await asked('without', { file_ids }, session)).messages.at(-1)), /the text of/);
  });

  test('keep data from one to the other, up to the end', async () => {
    await install(`before_turn = function(turn) turn.data.mark = "kept" end,
    after_llm = function(turn, result) see(turn, { mark = turn.data.mark, reason = result.finish_reason }) end`);
    const session = uniqueName('s');
    await user.say(model, session, 'hi');
    assert.deepEqual(await seen(session), { mark: 'kept', reason: 'stop' });
  });

  test('raise for unknown fields, with file and line', async () => {
    const { server } = context;
    await install(`before_turn = { required = true, run = function(turn)
      local ways = { read = function() return turn.mesages end, set = function() turn.titel = "x" end,
        early = function() return turn.messages end, never = function() turn.user_id = 1 end }
      ways[turn.message]()
    end }`);
    for (const [way, told] of Object.entries({
      read: "a turn has no field 'mesages', the nearest one is 'messages'",
      set: "a turn has no field 'titel', the nearest one is 'title'",
      early: "'messages' and 'title' of a turn are read behind before_turn: use before_llm",
      never: 'turn.user_id cannot be changed',
    })) {
      const session = uniqueName('s');
      const answer = await user.post('/api/chat/message', { session_id: session, model_name: model, message: way });
      assertError(answer, 500, 'hook_failed');
      const line = server.log().split('\n').find((l) => l.includes('hook failed') && l.includes(session));
      const { error, ...fields } = JSON.parse(line);
      assert.match(error, /^plugins\/watch\/plugin\.lua:\d+: /);
      assert.equal(error.replace(/^\S+ /, ''), told);
      assert.equal(fields.hook, 'before_turn');
      assert.equal(fields.request_id, answer.headers.get('x-request-id'));
      assert.equal(typeof fields.generation, 'number');
    }
  });

  test('cannot change the message of a reply that is made again', async () => {
    await install('before_turn = { required = true, run = function(turn) turn.message = turn.message .. "!" end }');
    const session = uniqueName('s');
    const { message_id: regenerate } = await user.say(model, session, 'hi');
    assertError(await user.post('/api/chat/message', { session_id: session, model_name: model, regenerate }), 500, 'hook_failed');
    assert.match(context.server.log(), /plugin\.lua:\d+: turn\.message cannot be changed: it is stored already/);
    assert.equal((await user.messages(session))[0].content, 'hi!');
  });

  test('refuse a turn with options that no model has', async () => {
    await install('before_llm = function(turn) turn.options.temprature = 1 end');
    const session = uniqueName('s');
    const answer = await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
    assertError(answer, 500, 'hook_failed');
    assert.match(context.server.log(), /turn\.options has no 'temprature', the nearest one is 'temperature'/);
    assert.equal((await user.get(`/api/chat/sessions/${session}/messages`)).status, 404, 'nothing is stored');
  });

  test('are told of logins, and may refuse them', async () => {
    const { server } = context;
    const bob = await server.user(uniqueName('bob'));
    await install(`on_login = function(user, req)
      if user.username:find("^bob") and req.ip == "127.0.0.1" then return nil, { code = "forbidden" } end
    end`);
    assertError(await server.client().post('/api/login', {
      username: bob.user.username, password: bob.password,
    }), 403, 'forbidden');
    assert.equal((await bob.get('/api/me')).status, 200, 'a token that was given stays');
    await user.again();
  });

  test('are gone after a rollback', async () => {
    const { server } = context;
    removePlugins(server);
    await reload(server);
    await install('before_llm = function(turn) turn.messages[#turn.messages].content = "hooked" end');
    assert.equal((await asked('hi')).messages.at(-1).content, 'hooked');
    assert.equal((await tidetalk(server.home, ['rollback'])).code, 0);
    assert.equal((await asked('hi')).messages.at(-1).content, 'hi');
  });
});
