// late
// covers: lib, chat, serve, examples/hooks
// What hooks see and change, in a real server.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts, nameHook } from './support/scripts.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const WATCHED = `
local log = require "tide.log"
local text = require "tide.text"

--- Holds back the last two characters, and shouts.
local function shout()
  local held = ""
  return function(piece, final)
    held = held .. piece
    local keep = final and 0 or 2
    local told = text.prefix(held, math.max(0, text.count(held) - keep))
    held = held:sub(#told + 1)
    return told:upper()
  end
end

return {
  on_request = function(req, route)
    if req.query.teapot then
      return { status = 418, json = { path = route.path, who = req.user and req.user.username } }
    elseif req.query.forbidden then
      return nil, { code = "forbidden" }
    end
  end,
  on_response = function(req, route, response, err)
    if response then
      response.headers = { ["X-Hooked"] = "yes" }
      for _, row in ipairs(route.path == "/api/chat/sessions" and req.query.mark and response.json.data or {}) do
        row.Title, row.Mark = row.Title .. "!", row.MessageCount + 1
      end
    elseif err.code == "unknown_persona" then
      return { json = { instead = err.code } }
    end
  end,
  quota = function(use)
    return use.tokens_today > 1000000 and 5 or nil
  end,
  before_llm = { required = true, run = function(turn)
    if turn.message == "busy hour" then
      return nil, { code = "limit_reached", retry_after = 5, args = { seconds = 5 } }
    elseif turn.message == "secret" then
      return nil, { code = "forbidden" }
    elseif turn.message == "bug" then
      error("broken before")
    end
    turn.messages[1].content = "hooked by " .. turn.persona
    turn.title = turn.first and "Hooked: " .. turn.model_name or turn.title
  end },
  on_delta = { required = true, run = function(turn, kind)
    if turn.message == "fail" then
      return function(piece)
        if piece:find("tok3") then
          error("broken within")
        end
      end
    end
    return kind == "content" and shout() or nil
  end },
  after_llm = function(turn, result)
    log.info("after_llm", { session = turn.session_id, status = result.status, content = result.content })
  end,
}
`;

describe('hooks', () => {
  const env = { ...LOOPBACK };
  let folder;
  before(() => {
    folder = makeFolder();
    env.TIDETALK_LUA_DIR = copyScripts(folder, { 'hooks/watched.lua': WATCHED });
    nameHook(env.TIDETALK_LUA_DIR, 'watched');
  });
  after(() => removeFolder(folder));
  const context = withServer({ env, mock: true });

  const setup = async (scenario) => {
    const user = await context.server.user();
    await context.mock.reset();
    return { user, session: uniqueName('session'), model: await user.model(context.mock.url(scenario)) };
  };

  test('of a request answer, refuse, and see what is answered', async () => {
    const user = await context.server.user();
    const teapot = await user.get('/api/chat/sessions?teapot=1');
    assert.equal(teapot.status, 418);
    assert.deepEqual(teapot.body, { path: '/api/chat/sessions', who: user.user.username });
    assert.equal(teapot.headers.get('x-hooked'), 'yes');
    assertError(await user.get('/api/chat/sessions?forbidden=1'), 403, 'forbidden');
    assertError(await context.server.client().get('/api/chat/sessions?teapot=1'), 401, 'unauthorized');
    const swapped = await user.post('/api/chat/session', { model_name: 'demo', persona: 'nobody' });
    assert.equal(swapped.status, 200);
    assert.deepEqual(swapped.body, { instead: 'unknown_persona' });
  });

  test('see and change lists as tables, which are sent in order', async () => {
    const { user, session, model } = await setup('echo=system');
    assert.equal((await user.get('/api/chat/sessions?mark=1')).text.startsWith('{"data":[],"pagination":'), true);
    await user.say(model, session, 'hello');
    const { text } = await user.get('/api/chat/sessions?mark=1');
    const plain = (await user.get('/api/chat/sessions')).text;
    assert.match(text, /"Title":"[^"]+!",.*"UserID":\d+,"Mark":3\}/);
    assert.equal(text.replace('!",', '",').replace(',"Mark":3', ''), plain);
  });

  test('change what the model is asked and what the session is called', async () => {
    const { user, session, model } = await setup('echo=system');
    const answer = await user.say(model, session, 'hello');
    assert.equal(answer.response, 'HOOKED BY 潮汐');
    const [row] = (await user.ok('GET', '/api/chat/sessions')).data;
    assert.equal(row.Title, `Hooked: ${model}`);
    await user.say(model, session, 'again');
    assert.equal((await user.ok('GET', '/api/chat/sessions')).data[0].Title, `Hooked: ${model}`);
  });

  test('refuse a turn before anything is stored or asked', async () => {
    const { user, session, model } = await setup('');
    const refused = await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'secret' });
    assertError(refused, 403, 'forbidden');
    const broken = await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'bug' });
    assertError(broken, 500, 'hook_failed');
    assert.equal((await user.ok('GET', '/api/chat/sessions')).data.length, 0);
    assert.equal((await context.mock.requests()).length, 0);
    await user.say(model, session, 'fine'); // the turn was given back
  });

  test('filter a stream, whatever the borders of its deltas', async () => {
    const { user, session, model } = await setup('text=%E6%BD%AE%E6%B1%90+tide,size=1,split=1');
    const reader = await user.stream(model, session, 'x');
    assert.equal(reader.text, '潮汐+TIDE');
    assert.equal((await user.messages(session))[1].content, '潮汐+TIDE');
    const { server } = context;
    await eventually(() => server.log().includes(session), 'after_llm is called');
    const line = server.log().split('\n').find((l) => l.includes('"after_llm"') && l.includes(session));
    assert.match(line, /"status":"complete"/);
  });

  test('hold for requests of the OpenAI routes as well', async () => {
    const { user, model } = await setup('echo=system');
    const complete = (message, more) => user.post('/v1/chat/completions', {
      model, messages: [{ role: 'system', content: 'mine' }, { role: 'user', content: message }], ...more,
    });
    const answer = await complete('hello');
    assert.equal(answer.body.choices[0].message.content, 'HOOKED BY OPENAI API');
    const streamed = await complete([{ type: 'text', text: 'hello' }], { stream: true });
    const chunks = [...streamed.text.matchAll(/^data: (\{.*)$/gm)].map((match) => JSON.parse(match[1]));
    assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), 'HOOKED BY OPENAI API');
    const asked = (await context.mock.requests()).length;
    const refused = await complete('secret');
    assert.equal(refused.status, 403);
    assert.equal(refused.body.error.type, 'permission_error');
    assert.equal((await context.mock.requests()).length, asked);
    await eventually(() => context.server.log().split('\n').filter((line) => line.includes('"after_llm"')
      && line.includes('"session":""') && line.includes('HOOKED BY OPENAI API')).length === 2, 'after_llm is called');
  });

  test('that are required and fail in the stream end it with an error frame, and nothing else', async () => {
    const { user, session, model } = await setup('tokens=8,pace=5');
    const reader = await user.stream(model, session, 'fail');
    assert.equal(reader.last.code, 'hook_failed');
    assert.match(reader.text, /^tok0 tok1 tok2 $/);
    assert.match(context.server.log(), /broken within/);
    const [, reply] = await user.messages(session);
    assert.equal(reply.status, 'error');
    assert.equal(reply.content, 'tok0 tok1 tok2 ');
    assert.match((await user.say(model, session, 'next')).response, /^TOK0/);
  });

  test('hold at the OpenAI routes too', async () => {
    const { user, model } = await setup('echo=system');
    const ask = (content) => user.post('/v1/chat/completions', {
      model, messages: [{ role: 'system', content: 'x' }, { role: 'user', content }],
    });
    const answer = await ask('hello');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.choices[0].message.content, 'HOOKED BY OPENAI API');
    assert.equal((await ask('secret')).status, 403);
    assert.equal((await ask('busy hour')).status, 429);
    await eventually(() => /"after_llm".*"content":"HOOKED BY OPENAI API"/.test(context.server.log()), 'after_llm is called');
  });
});

describe('quotas', () => {
  const context = withServer({
    env: { ...LOOPBACK, TIDETALK_QUOTA_REQUESTS_PER_MINUTE: '3', TIDETALK_QUOTA_TOKENS_PER_DAY: '1000' }, mock: true,
  });
  const chat = (user, model, session) =>
    user.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
  const assertLimited = (answer, most) => {
    assert.equal(answer.status, 429, answer.text);
    const after = Number(answer.headers.get('retry-after'));
    assert.ok(after >= 1 && after <= most, `Retry-After: ${after}`);
  };

  test('limit the requests of a minute, each user by itself, also at the OpenAI routes', async () => {
    const user = await context.server.user();
    const other = await context.server.user();
    const model = await user.model(context.mock.url(''));
    for (let i = 0; i < 3; i += 1) assert.equal((await chat(user, model, uniqueName('s'))).status, 200);
    const refused = await chat(user, model, uniqueName('s'));
    assertLimited(refused, 60);
    assert.equal(refused.body.code, 'limit_reached');
    assertLimited(await user.post('/v1/chat/completions', { model, messages: [{ role: 'user', content: 'x' }] }), 60);
    assert.equal((await chat(other, 'demo', uniqueName('s'))).status, 200);
    assert.equal((await user.ok('GET', '/api/chat/sessions')).data.length, 3, 'what is refused stores nothing');
  });

  test('limit the tokens of a day, as the usage counts them', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('tokens=1000,usage=1'));
    assert.equal((await chat(user, model, uniqueName('s'))).status, 200);
    const refused = await chat(user, model, uniqueName('s'));
    assertLimited(refused, 86400);
    assert.equal(refused.body.code, 'limit_reached');
  });
});

describe('quotas with a burst', () => {
  const context = withServer({
    env: { TIDETALK_QUOTA_REQUESTS_PER_MINUTE: '6', TIDETALK_QUOTA_BURST: '2' },
  });

  test('let only so many come at once', async () => {
    const user = await context.server.user();
    const chat = () => user.post('/api/chat/message', { session_id: uniqueName('s'), model_name: 'demo', message: 'hi' });
    for (let i = 0; i < 2; i += 1) assert.equal((await chat()).status, 200);
    const refused = await chat();
    assert.equal(refused.status, 429, refused.text);
    const after = Number(refused.headers.get('retry-after'));
    assert.ok(after >= 1 && after <= 20, `Retry-After: ${after}`);
  });
});
