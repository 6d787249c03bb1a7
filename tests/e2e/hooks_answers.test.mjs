// late
// covers: chat, doors, lib, reply, tide, upstream
// Hooks that answer instead of a model, that end a reply, and that fail.
import assert from 'node:assert/strict';
import { before, describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { putHooks, putPlugin } from './support/plugins.mjs';
import { LOOPBACK } from './support/server.mjs';
import { SseReader } from './support/sse.mjs';
import { assertError, withServer } from './support/suite.mjs';

const STREAM = '/api/chat/message/stream';

describe('hooks that decide', () => {
  const context = withServer({ env: { ...LOOPBACK }, mock: true });
  let user;
  before(async () => {
    user = await context.server.user();
  });

  const install = async (hooks, options) => {
    putHooks(context.server, hooks, options);
    await reloaded(context.server);
  };
  const setup = async (scenario = '') => {
    await context.mock.reset();
    return { model: await user.model(context.mock.url(scenario)), session: uniqueName('s') };
  };
  const askedUpstream = async () => (await context.mock.requests()).length;
  const logged = (what, of) => context.server.log().split('\n')
    .filter((line) => line.includes(what) && line.includes(of)).map((line) => JSON.parse(line));

  for (const moment of ['before_turn', 'before_llm']) {
    test(`${moment} answers: stored, streamed, resumed, and no upstream is asked`, async () => {
      await install(`${moment} = function(turn)
        if turn.message == "hours?" then
          return { answer = "开放时间 9-18", reasoning = "known", finish_reason = "canned" }
        end
      end,
      after_llm = function(turn, result)
        require("tide.log").info("ended", { session = turn.session_id, reason = result.finish_reason })
      end`);
      const { model, session } = await setup();
      const reader = await user.stream(model, session, 'hours?');
      assert.equal(reader.text, '开放时间 9-18');
      assert.equal(reader.reasoning, 'known');
      assert.equal(reader.last.finish_reason, 'canned');
      assert.equal(await askedUpstream(), 0);
      const [question, reply] = await user.messages(session);
      assert.equal(question.content, 'hours?');
      assert.deepEqual([reply.content, reply.reasoning, reply.status, reply.finish_reason, reply.model_name],
        ['开放时间 9-18', 'known', 'complete', 'canned', model]);
      assert.equal(reader.frames.at(-1).id, `${reply.id}.${Buffer.byteLength('known开放时间 9-18')}.end`);
      const resumed = await user.resume(session, `${reply.id}.${Buffer.byteLength('known开放')}`);
      await within(resumed.end(), 'the rest ends', HANG_MS);
      assert.equal(resumed.text, '时间 9-18');
      await eventually(() => logged('"ended"', session).length === 1, 'after_llm is called');
      assert.equal((await user.say(model, session, 'else')).response.split(' ')[0], 'tok0');
      assert.equal(await askedUpstream(), 1);
    });

    test(`${moment} answers at each door`, async () => {
      const { model } = await setup();
      const messages = [{ role: 'user', content: 'hours?' }];
      const chat = await user.post('/v1/chat/completions', { model, messages });
      assert.equal(chat.body.choices[0].message.content, '开放时间 9-18');
      assert.equal(chat.body.choices[0].finish_reason, 'canned');
      const streamed = await user.post('/v1/chat/completions', { model, messages, stream: true });
      assert.match(streamed.text, /开放时间 9-18.*\n/);
      const text = await user.post('/v1/completions', { model, prompt: 'hours?' });
      assert.equal(text.body.choices[0].text, '开放时间 9-18');
      const response = await user.post('/v1/responses', { model, input: 'hours?' });
      assert.match(response.text, /开放时间 9-18/);
      const again = await user.get(`/v1/responses/${response.body.id}`);
      assert.match(again.text, /开放时间 9-18/);
      const message = await user.post('/v1/messages', { model, max_tokens: 9, messages });
      assert.equal(message.body.content.at(-1).text, '开放时间 9-18');
      assert.equal(message.body.stop_reason, 'end_turn');
      assert.equal(await askedUpstream(), 0);
    });
  }

  test('an answer before the model needs no model', async () => {
    await install('before_turn = function() return { answer = "closed" } end');
    const session = uniqueName('s');
    assert.equal((await user.say('no-such-model', session, 'hi')).response, 'closed');
    assert.equal((await user.post('/v1/chat/completions', {
      model: 'no-such-model', messages: [{ role: 'user', content: 'hi' }],
    })).body.choices[0].message.content, 'closed');
  });

  test('an answer is given once under a key', async () => {
    const { session } = await setup();
    const wish = { session_id: session, model_name: 'demo', message: 'hi' };
    const headers = { 'Idempotency-Key': uniqueName('key') };
    const texts = [];
    for (let i = 0; i < 2; i += 1) {
      const reader = new SseReader(await user.fetch('POST', STREAM, wish, { headers }), 0);
      await within(reader.end(), 'the stream ends', HANG_MS);
      texts.push(reader.text);
    }
    assert.deepEqual(texts, ['closed', 'closed']);
    assert.equal((await user.messages(session)).length, 2);
  });

  test('on_delta ends a reply: the upstream is closed, and the reply is complete', async () => {
    await install(`on_delta = function(turn, kind)
      local seen = ""
      return function(text, final)
        seen = seen .. text
        if seen:find("tok3", 1, true) then return "[enough]", "stop", "content_filter" end
      end
    end`);
    const { model, session } = await setup('fault=endless,pace=5');
    const { client_closed: closed } = await context.mock.stats();
    const reader = await user.stream(model, session, 'hi');
    assert.equal(reader.text, 'tok0 tok1 tok2 [enough]');
    assert.equal(reader.last.finish_reason, 'content_filter');
    await eventually(async () => (await context.mock.stats()).client_closed === closed + 1, 'the upstream is left');
    const [, reply] = await user.messages(session);
    assert.deepEqual([reply.content, reply.status, reply.finish_reason],
      ['tok0 tok1 tok2 [enough]', 'complete', 'content_filter']);
    const chat = await user.post('/v1/chat/completions', { model, messages: [{ role: 'user', content: 'hi' }] });
    assert.equal(chat.body.choices[0].message.content, 'tok0 tok1 tok2 [enough]');
    assert.equal(chat.body.choices[0].finish_reason, 'content_filter');
    const message = await user.post('/v1/messages', {
      model, max_tokens: 99, messages: [{ role: 'user', content: 'hi' }],
    });
    assert.equal(message.body.stop_reason, 'refusal');
    await eventually(async () => (await context.mock.stats()).client_closed === closed + 3, 'those too');
  });

  test('on_delta ends a reply in the middle of its tools', async () => {
    putPlugin(context.server, 'tides/plugin.lua', `return { api = 1, tools = { get_weather = {
      description = "d", parameters = { type = "object" }, run = function() return "3 m" end } } }`);
    await reloaded(context.server);
    const { model, session } = await setup('tools=1,pace=5');
    const reader = await user.stream(model, session, 'hi');
    assert.equal(reader.text, 'tok0 tok1 tok2 [enough]');
    assert.equal(reader.last.finish_reason, 'content_filter');
    assert.equal((await user.messages(session))[1].status, 'complete');
    putPlugin(context.server, 'tides/plugin.lua', 'return { api = 1 }');
  });

  test('before_llm answers what goes on after an approval', async () => {
    const { server, mock } = context;
    await install('before_llm = function() end');
    putPlugin(server, 'tides/plugin.lua', `return { api = 1, tools = { get_weather = { approve = "ask",
      description = "d", parameters = { type = "object" }, run = function() return "3 m" end } } }`);
    await reloaded(server);
    const { model, session } = await setup('tools=1');
    const waiting = await user.say(model, session, 'hi');
    assert.equal(waiting.status, 'waiting');
    await install(`before_llm = function() return { answer = "no more", finish_reason = "canned" } end,
      before_turn = { required = true, run = function() error("it has begun already") end }`);
    const asked = await askedUpstream();
    await user.ok('POST', `/api/chat/sessions/${session}/approve`, {
      message_id: waiting.message_id, approve: true,
    });
    const reply = await eventually(async () => {
      const [, row] = await user.messages(session);
      return row.status === 'complete' && row;
    }, 'the reply ends');
    assert.deepEqual([reply.content, reply.finish_reason], ['no more', 'canned']);
    assert.equal((await mock.requests()).length, asked);
    putPlugin(server, 'tides/plugin.lua', 'return { api = 1 }');
  });

  const BROKEN = `before_turn = function() error("one is broken") end,
    before_llm = function() local nothing; return nothing.field end,
    on_delta = function() return function(text) if text:find("tok1") then error("filter is broken") end end end,
    on_request = function() error("request is broken") end,
    on_response = function() error("response is broken") end,
    quota = function() error("quota is broken") end,
    on_login = function() error("login is broken") end,
    on_tool = function() error("tool is broken") end,
    after_llm = function() error("end is broken") end`;

  test('a hook that fails is told, and takes nobody along', async () => {
    putHooks(context.server, `before_llm = function(turn)
      turn.messages[#turn.messages].content = "the other one" end`, { name: 'zz_other' });
    await install(BROKEN);
    const { model, session } = await setup('tokens=4');
    await user.again();
    const reader = await user.stream(model, session, 'hi');
    assert.equal(reader.text, 'tok0 tok1 tok2 tok3 ');
    assert.equal((await context.mock.requests())[0].json.messages.at(-1).content, 'the other one');
    await eventually(() => logged('hook failed', session).length === 4, 'all are told');
    const told = logged('hook failed', session);
    assert.deepEqual(told.map(({ hook }) => hook).sort(), ['after_llm', 'before_llm', 'before_turn', 'on_delta']);
    for (const line of told) {
      assert.match(line.error, /^plugins\/watch\/plugin\.lua:\d+: /);
      assert.equal(line.owner, 'plugin watch');
      assert.equal(line.user_id, user.user.id);
      assert.equal(typeof line.generation, 'number');
      assert.match(line.request_id, /^\w+$/);
    }
    for (const [hook, what] of [['on_request', 'request'], ['on_response', 'response'], ['on_login', 'login']]) {
      const [line] = logged('hook failed', `${what} is broken`);
      assert.equal(line.hook, hook);
      assert.match(line.request_id, /^\w+$/);
    }
  });

  test('one that is required refuses', async () => {
    const { model } = await setup('tokens=4');
    const message = (more) => ({ session_id: uniqueName('s'), model_name: model, message: 'hi', ...more });
    for (const hook of ['before_turn', 'before_llm', 'quota', 'on_delta']) {
      await install(`${hook} = { required = true, run = function() error("broken") end }`);
      assertError(await user.post('/api/chat/message', message()), 500, 'hook_failed');
      assertError(await user.post(STREAM, message()), 500, 'hook_failed');
      const door = await user.post('/v1/chat/completions', { model, messages: [{ role: 'user', content: 'hi' }] });
      assert.equal(door.status, 500, hook);
      assert.equal(door.body.error.code, 'hook_failed');
    }
    assert.equal(await askedUpstream(), 0);
    await install('on_login = { required = true, run = function() error("broken") end }');
    assertError(await context.server.client().post('/api/login', {
      username: user.user.username, password: user.password,
    }), 500, 'hook_failed');
    await install('on_request = { required = true, run = function(req) return req.query.x and error("broken") end }');
    assertError(await user.get('/api/me?x=1'), 500, 'hook_failed');
    assert.equal((await user.get('/api/me')).status, 200);
  });

  test('a required filter that fails ends the reply', async () => {
    await install(`on_delta = { required = true, run = function()
      return function(text) if text:find("tok1") then error("broken") end end end }`);
    const { model, session } = await setup('tokens=4,pace=5');
    const reader = await user.stream(model, session, 'hi');
    assert.equal(reader.last.code, 'hook_failed');
    assert.equal(reader.text, 'tok0 ');
  });

  test('a reply keeps the hooks it began with, through a reload', async () => {
    await install('on_delta = function() return function(text) return text:upper() end end');
    const { model, session } = await setup('tokens=40,pace=20');
    const reader = await user.open(model, session, 'hi');
    await reader.until(() => reader.frames.length > 3);
    await install('before_llm = function() end');
    await within(reader.end(), 'the stream ends', HANG_MS);
    assert.equal(reader.text, reader.text.toUpperCase());
    assert.match(reader.text, /TOK39/);
    assert.match((await user.say(model, session, 'next')).response, /^tok0/);
  });
});
