// covers: plugin, chat, tide, files
// What plugins are promised (docs/lua-api.md): a plugin calls each function of tide.chat, tide.models,
// tide.users, tide.usage, tide.files and tide.search.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, test, within } from './support/limits.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { sends, startUpstream } from './support/upstream.mjs';

/** Calls what the request names; what is no data (functions of tools, replies) has routes of its own. */
const PLUGIN = `
local chat = require "tide.chat"
local json = require "tide.json"

local SCHEMA = { fields = {
  { name = "title", type = "string", required = true, max = 40, doc = "six words" },
  { name = "tags", type = "array", items = { type = "string" } },
} }

local function route(path, handler)
  return { method = "POST", path = "/api/probe/" .. path, auth = "user", summary = "Probes.",
    request = { whole = "raw", fields = {} },
    handler = function(req) return handler(json.decode(req.body.raw), req) end }
end

local function answer(value, err)
  if value == nil then return { json = { code = err and err.code, message = err and err.message } } end
  return { json = { value = value, second = err } }
end

return {
  api = 1,
  hooks = { quota = function(use) if use.model_name:find("^scarce") then return 7 end end },
  routes = {
    route("call", function(body)
      local ran, value, err = pcall(require("tide." .. body.module)[body.name], table.unpack(body.args))
      return ran and answer(value, err) or { json = { raised = value } }
    end),
    route("schema", function(body)
      body.schema = SCHEMA
      return answer(chat.ask(body))
    end),
    route("tools", function(body)
      body.tools = { get_weather = {
        description = "The height of the tide",
        approve = body.approve,
        run = function(args, turn) return { height = "3 m", user = turn.user_id } end,
      } }
      body.approve = nil
      return answer(chat.ask(body))
    end),
    route("sql", function(body) return answer(require("tide.db").write({ { body.sql } })) end),
    route("hex", function(body)
      local bytes, err = require("tide.files")[body.name](table.unpack(body.args))
      return answer(bytes and require("tide.crypto").hex_encode(bytes), err)
    end),
    route("write", function(body)
      body.bytes = require("tide.crypto").hex_decode(body.bytes):rep(body.times or 1)
      body.times = nil
      return answer(require("tide.files").write(body))
    end),
    { method = "POST", path = "/api/probe/upload", auth = "user", summary = "Probes.", upload = true,
      form = { fields = { { name = "session", type = "string", required = true } } },
      handler = function(req)
        return answer(require("tide.files").write({
          user = req.user.id, session = req.form.session, upload = req.upload,
        }))
      end },
    route("turn", function(body)
      local reply, err = chat.turn(body)
      if not reply then return nil, err end
      return { stream = reply }
    end),
    route("wait", function(body)
      local reply, err = chat.turn(body)
      return answer(reply and reply:wait(), err)
    end),
  },
}`;

describe('the API of plugins', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  before(async () => {
    const { server } = context;
    mkdirSync(join(server.home.folder, 'plugins/probe'), { recursive: true });
    writeFileSync(join(server.home.folder, 'plugins/probe/plugin.lua'), PLUGIN);
    await reloaded(server);
  });

  const probe = (user, path, body) => user.ok('POST', `/api/probe/${path}`, body);
  const call = (user, module, name, ...args) => probe(user, 'call', { module, name, args });
  const value = async (user, module, name, ...args) => {
    const answer = await call(user, module, name, ...args);
    assert.ok('value' in answer, JSON.stringify(answer));
    return answer.value;
  };
  const setup = async (scenario = 'text=ahoy') => {
    const user = await context.server.user();
    return { user, id: user.user.id, model: await user.model(context.mock.url(scenario)), session: uniqueName('session') };
  };
  const HI = [{ role: 'user', content: 'hi' }];

  test('ask: the first model that answers', async () => {
    const { user, id, model } = await setup();
    const broken = await user.model(context.mock.url('status=500'));
    const ask = (models, more) => call(user, 'chat', 'ask', { user: id, models, messages: HI, ...more });
    assert.deepEqual(await ask([model]), { value: 'ahoy' });
    assert.deepEqual(await ask(['unknown', broken, model]), { value: 'ahoy' });
    assert.equal((await ask([model, broken])).value, 'ahoy', 'the second is not asked');
    assert.equal((await ask(['unknown'])).code, 'no_api_for_model');
    assert.equal((await ask([])).code, 'missing_field');
    assert.match((await ask([broken])).code, /^upstream_/);
    const scarce = await user.model(context.mock.url('text=dear'), { model_name: 'scarce' });
    assert.equal((await ask([scarce])).code, 'limit_reached');
    assert.equal((await ask([scarce, model])).value, 'ahoy');
    assert.equal((await call(user, 'usage', 'check', id, scarce)).code, 'limit_reached');
    assert.match((await ask([model], { model })).raised, /chat\.ask: 'model' is no member; there are max_tokens,/);
    assert.match((await ask(model)).raised, /chat\.ask: 'models' must be of type table, not string/);
    await ask([model], { max_tokens: 7 });
    assert.equal((await context.mock.requests()).at(-1).json.max_tokens, 7);
    // It costs its user something, is nobody's session, and another user has no such model.
    const days = await value(user, 'usage', 'days', id);
    assert.equal(days.find(({ model_name: name }) => name === model).requests, 5);
    assert.equal((await call(user, 'chat', 'sessions', id)).second, 0);
    const other = await context.server.user();
    assert.equal((await call(other, 'chat', 'ask', { user: other.user.id, models: [model], messages: HI })).code, 'no_api_for_model');
  });

  test('ask: a model that takes too long is given up', async () => {
    const { user, id, model } = await setup();
    const slow = await user.model(context.mock.url('first=60000'));
    const ask = (models) => call(user, 'chat', 'ask', { user: id, models, messages: HI, timeout: 300 });
    assert.match((await ask([slow])).code, /timeout/);
    assert.equal((await ask([slow, model])).value, 'ahoy');
  });

  test('ask: answers with a schema', async () => {
    const upstream = await startUpstream();
    try {
      const user = await context.server.user();
      const whole = (content) => sends(JSON.stringify({
        choices: [{ message: { content }, finish_reason: 'stop' }],
      }), { 'Content-Type': 'application/json' });
      const ask = async (...contents) => {
        const models = [];
        const keys = [];
        for (const content of contents) {
          const { key, url } = upstream.add(whole(content));
          keys.push(key);
          models.push(await user.model(url));
        }
        const answer = await probe(user, 'schema', {
          user: user.user.id, models, messages: [{ role: 'system', content: 'Be brief.' }, ...HI],
        });
        return { answer, sent: upstream.of(keys[0])[0].json, count: keys.map((key) => upstream.of(key).length) };
      };
      const good = '{"title":"Moon","tags":["a"],"more":1}';
      const { answer, sent } = await ask(good);
      assert.deepEqual(answer.value, { title: 'Moon', tags: ['a'] });
      assert.match(sent.messages[0].content, /^Be brief\.\n\nAnswer with one JSON object/);
      assert.deepEqual(JSON.parse(sent.messages[0].content.split('schema:\n')[1]), {
        type: 'object', required: ['title'],
        properties: {
          title: { type: 'string', maxLength: 40, description: 'six words' },
          tags: { type: 'array', items: { type: 'string' } },
        },
      });
      assert.equal((await ask(`\`\`\`json\n${good}\n\`\`\``)).answer.value.title, 'Moon');
      for (const bad of ['Moon', '[1]', '{"title":', '{"tags":[]}', '{"title":3}'])
        assert.equal((await ask(bad)).answer.code, 'answer_malformed', bad);
      assert.match((await ask('{"title":3}')).answer.message, /title must be text/);
      const second = await ask('no', good, good);
      assert.deepEqual([second.answer.value.title, second.count], ['Moon', [1, 1, 0]]);
    } finally {
      upstream.stop();
    }
  });

  test('ask: tools of its own', async () => {
    const { user, id, model, session } = await setup('tools=1');
    const question = { user: id, models: [model], messages: HI };
    assert.match((await probe(user, 'tools', question)).value, /^tok0 /);
    const [first, second] = (await context.mock.requests()).slice(-2).map(({ json }) => json);
    assert.deepEqual(first.tools.map((tool) => tool.function.name), ['get_weather']);
    assert.deepEqual(JSON.parse(second.messages.at(-1).content), { height: '3 m', user: id });
    await probe(user, 'tools', { ...question, approve: 'ask' });
    assert.match((await context.mock.requests()).at(-1).json.messages.at(-1).content, /consent/);
    await user.say(model, session, 'hi');
    assert.equal((await context.mock.requests()).at(-1).json.tools, undefined, 'turns do not have them');
  });

  test('turn: stored, streamed, and there for who comes back', async () => {
    const { user, id, session, model } = await setup('tokens=40,pace=20');
    const spec = { user: id, session, model, message: 'how high?', system: 'You are the sea.', language: 'zh' };
    const response = await user.fetch('POST', '/api/probe/turn', spec);
    assert.match(response.headers.get('content-type'), /^text\/event-stream/);
    const viewer = await user.resume(session);
    await response.body.cancel(); // who began it leaves
    await within(viewer.until(({ text }) => text !== ''), 'some text', HANG_MS);
    const { id: position } = viewer.frames.at(-1);
    const rest = await user.resume(session, position);
    await within(rest.end(), 'the rest', HANG_MS);
    await within(viewer.end(), 'all of it', HANG_MS);
    assert.equal(rest.last.finish_reason, 'stop');
    const [asked, stored] = await user.messages(session);
    assert.deepEqual([asked.content, stored.content, stored.status], ['how high?', viewer.text, 'complete']);
    assert.ok(viewer.text.endsWith(rest.text) && rest.text.length < viewer.text.length);
    assert.equal((await context.mock.requests()).at(-1).json.messages[0].content, 'You are the sea.');

    // The session's model, when none is named; a branch within the session; another reply.
    const wait = (more) => probe(user, 'wait', { user: id, session, ...more });
    assert.equal((await wait({ message: 'and now?', parent: stored.id })).value.status, 'complete');
    const again = await wait({ again: stored.id });
    assert.equal(again.value.user_message_id, asked.id);
    assert.equal((await wait({})).code, 'missing_field');
    assert.equal((await wait({ session: 'nowhere', message: 'hi' })).code, 'session_not_found');
    const stranger = await context.server.user();
    const foreign = { user: stranger.user.id, session, message: 'hi', model: 'demo' };
    assert.equal((await probe(stranger, 'wait', foreign)).code, 'session_not_found');
  });

  test('history, session and sessions', async () => {
    const { user, id, session, model } = await setup();
    await user.say(model, session, 'one');
    await user.say(model, session, 'two');
    const messages = await value(user, 'chat', 'history', id, session);
    assert.deepEqual(messages, await user.messages(session));
    const page = await value(user, 'chat', 'history', id, session, { limit: 2, before: messages[2].id });
    assert.deepEqual(page.map(({ content }) => content), ['one', 'ahoy']);
    assert.deepEqual(await value(user, 'chat', 'history', id, session, { limit: 1 }), messages.slice(3));
    const path = await value(user, 'chat', 'history', id, session, { leaf: messages[1].id });
    assert.equal(path.length, 2);
    const row = await value(user, 'chat', 'session', id, session);
    assert.deepEqual([row.session_id, row.title, row.model_name, row.message_count], [session, 'one', model, 4]);
    const list = await call(user, 'chat', 'sessions', id, { limit: 1 });
    assert.deepEqual([list.value, list.second], [[row], 1]);

    const stranger = (await context.server.user()).user.id;
    for (const name of ['history', 'session', 'stop'])
      assert.equal((await call(user, 'chat', name, stranger, session)).code, 'session_not_found', name);
    assert.deepEqual((await call(user, 'chat', 'sessions', stranger)).value, []);
  });

  test('append: messages that no model was asked about', async () => {
    const { user, id, session, model } = await setup('echo=roles');
    const append = (more) => call(user, 'chat', 'append', {
      user: id, session, message: 'When is high tide?', reply: 'At *six*.', ...more,
    });
    assert.equal((await append({})).code, 'missing_field', 'a new session has a model');
    const { value: ids } = await append({ model });
    const [asked, reply] = await user.messages(session);
    assert.deepEqual(ids, { user_message_id: asked.id, message_id: reply.id });
    assert.deepEqual([asked.content, reply.content, reply.status, reply.finish_reason, reply.model_name],
      ['When is high tide?', 'At *six*.', 'complete', 'stop', model]);
    assert.equal((await value(user, 'chat', 'session', id, session)).title, 'When is high tide?');
    assert.equal((await user.say(model, session, 'and?')).response, 'system,user,assistant,user');
    await append({ parent: reply.id, reply: 'At seven.' });
    assert.equal((await user.messages(session)).length, 4, 'a branch beside the turn');
    const found = await user.ok('GET', '/api/chat/search?q=seven');
    assert.deepEqual(found.data.map(({ session_id: in_session }) => in_session), [session]);
    for (const [more, code] of [[{ reply: '' }, 'missing_field'], [{ message: '' }, 'missing_field'],
      [{ parent: asked.id }, 'not_a_reply'], [{ parent: 999999 }, 'message_not_found'], [{ persona: 'x' }, 'unknown_persona']])
      assert.equal((await append(more)).code, code, JSON.stringify(more));
    const stranger = (await context.server.user()).user.id;
    assert.equal((await append({ user: stranger, model: 'demo' })).code, 'session_not_found');
    assert.equal((await user.messages(session)).length, 4);
  });

  test('branch: a session that goes on from a reply', async () => {
    const { user, id, session, model } = await setup('echo=roles');
    for (const message of ['one', 'two', 'three']) await user.say(model, session, message);
    const messages = await user.messages(session);
    const branch = (more) => call(user, 'chat', 'branch', { user: id, session, ...more });
    const { value: other } = await branch({ message: messages[3].id, title: ' Another\nway ' });
    assert.deepEqual([other.title, other.message_count, other.model_name], ['Another way', 4, model]);
    const copied = await user.messages(other.session_id);
    const told = ({ role, content, status, created_at: at, model_name: name }) => [role, content, status, at, name];
    assert.deepEqual(copied.map(told), messages.slice(0, 4).map(told));
    assert.deepEqual(copied.map(({ parent_id: parent }) => parent), [null, ...copied.slice(0, 3).map((m) => m.id)]);
    assert.equal((await user.say(model, other.session_id, 'four')).response.split(',').length, 6);
    assert.equal((await user.messages(session)).length, 6, 'the first one stays as it was');
    await probe(user, 'sql', { sql: `UPDATE chat_messages SET status = 'interrupted' WHERE id = ${messages[5].id}` });
    const { value: whole } = await branch({});
    assert.equal(whole.message_count, 6);
    assert.equal((await user.messages(whole.session_id)).at(-1).status, 'stopped', 'only the first one can go on');
    assert.equal((await user.messages(session)).at(-1).status, 'interrupted');
    assert.equal((await call(user, 'chat', 'sessions', id)).second, 3);
    for (const [more, code] of [[{ message: messages[2].id }, 'not_a_reply'], [{ message: 999999 }, 'message_not_found'],
      [{ session: 'nowhere' }, 'session_not_found'], [{ title: ' ' }, 'missing_field'],
      [{ user: (await context.server.user()).user.id }, 'session_not_found']])
      assert.equal((await branch(more)).code, code, JSON.stringify(more));
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    assert.equal((await user.messages(other.session_id)).length, 6, 'and the copy goes on without it');
  });

  test('stop and title', async () => {
    const { user, id, session, model } = await setup('tokens=400,pace=50');
    const reader = await user.open(model, session, 'hi');
    await within(reader.until(({ text }) => text !== ''), 'some text', HANG_MS);
    const stopped = await call(user, 'chat', 'stop', id, session);
    await within(reader.end(), 'the end', HANG_MS);
    assert.deepEqual([stopped.value, reader.last.finish_reason], [true, 'stopped']);
    assert.equal(stopped.second, reader.last.message_id);
    assert.equal(await value(user, 'chat', 'stop', id, session), false);
    assert.equal((await value(user, 'chat', 'title', id, session, ' The\n sea ')).title, 'The sea');
    assert.equal((await value(user, 'chat', 'session', id, session)).title, 'The sea');
    assert.equal((await call(user, 'chat', 'title', id, session, ' ')).code, 'missing_field');
    const stranger = (await context.server.user()).user.id;
    assert.equal((await call(user, 'chat', 'title', stranger, session, 'x')).code, 'session_not_found');
  });

  test('models: list, resolve, embed, rerank, tokens', async () => {
    const { user, id, model } = await setup('');
    const list = await value(user, 'models', 'list', id);
    assert.deepEqual(list.map(({ name, kind }) => [name, kind]), [[model, 'chat'], ['demo', 'chat']]);
    const one = await value(user, 'models', 'resolve', id, model);
    assert.deepEqual([one.name, one.provider, one.takes_images !== undefined], [model, 'openai', true]);
    assert.doesNotMatch(JSON.stringify(one), new RegExp(user.apiKey));
    const stranger = (await context.server.user()).user.id;
    assert.equal((await call(user, 'models', 'resolve', stranger, model)).code, 'no_api_for_model');

    const vectors = await value(user, 'models', 'embed', { user: id, model, input: ['high', 'low'] });
    assert.equal(vectors.length, 2);
    assert.ok(vectors.every((vector) => vector.length > 0 && vector.every((n) => typeof n === 'number')));
    assert.equal((await call(user, 'models', 'embed', { user: stranger, model, input: 'x' })).code, 'model_not_found');
    const upstream = await startUpstream();
    try {
      const JSON_TYPE = { 'Content-Type': 'application/json' };
      const { url, key } = upstream.add(sends(
        '{"results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.1}]}', JSON_TYPE));
      const spec = { user: id, model: await user.model(url), query: 'ebb', documents: ['a', 'b'], top_n: 2 };
      assert.deepEqual(await value(user, 'models', 'rerank', spec), [{ index: 2, score: 0.9 }, { index: 1, score: 0.1 }]);
      assert.deepEqual(upstream.of(key)[0].json.documents, ['a', 'b']);
      const turned = upstream.add(sends('{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}', JSON_TYPE));
      const texts = { user: id, model: await user.model(turned.url), input: ['one', 'two'] };
      assert.deepEqual(await value(user, 'models', 'embed', texts), [[1], [2]]);
      const odd = upstream.add(sends('{"results":["x"],"data":[1]}', JSON_TYPE));
      spec.model = await user.model(odd.url);
      assert.equal((await call(user, 'models', 'rerank', spec)).code, 'upstream_bad_response');
      const embedding = { user: id, model: spec.model, input: 'x' };
      assert.equal((await call(user, 'models', 'embed', embedding)).code, 'upstream_bad_response');
    } finally {
      upstream.stop();
    }
    assert.ok(await value(user, 'models', 'tokens', 'high tide') >= 2);
    assert.ok(await value(user, 'models', 'tokens', HI) > await value(user, 'models', 'tokens', 'hi'));
  });

  test('users and usage', async () => {
    const { user, id, model } = await setup();
    const account = await value(user, 'users', 'get', id);
    assert.deepEqual([account.id, account.username, account.role, account.disabled], [id, user.user.username, 'user', false]);
    assert.doesNotMatch(JSON.stringify(account), /hash|argon/);
    assert.deepEqual(await value(user, 'users', 'find', account.username), account);
    const all = await call(user, 'users', 'list', { limit: 1, offset: 1 });
    assert.equal(all.value.length, 1);
    assert.ok(all.second >= 2);
    assert.equal((await call(user, 'users', 'get', 999999)).code, 'user_not_found');
    assert.equal((await call(user, 'users', 'find', 'nobody')).code, 'user_not_found');

    assert.equal(await value(user, 'usage', 'add', { user: id, model, input_tokens: 5, output_tokens: 2 }), true);
    const [day] = await value(user, 'usage', 'days', id);
    assert.deepEqual([day.model_name, day.requests, day.input_tokens, day.output_tokens], [model, 1, 5, 2]);
    assert.deepEqual(await value(user, 'usage', 'days', id, { to: '2020-01-31' }), []);
    assert.equal((await call(user, 'usage', 'days', id, { from: 'today' })).code, 'invalid_field');
    assert.equal(await value(user, 'usage', 'check', id, model), true);
    assert.equal((await call(user, 'usage', 'add', { user: 999999, model, input_tokens: 1 })).code, 'user_not_found');
  });

  test('files: write, read, range, text, list, get, delete', async () => {
    const { user, id, session, model } = await setup('echo=1');
    const write = (bytes, more) => probe(user, 'write', {
      user: id, session, name: 'Tides.TXT', bytes: Buffer.from(bytes).toString('hex'), ...more,
    });
    assert.equal((await write('x')).code, 'session_not_found');
    await user.say(model, session, 'hi');
    const bytes = Buffer.from([0, 255, 10, 13, 128, 0, 65]);
    const { value: odd } = await write(bytes, { name: 'odd' });
    assert.deepEqual([odd.name, odd.type, odd.size, odd.session_id], ['odd', '', 7, session]);
    const hex = async (name, ...args) => {
      const answer = await probe(user, 'hex', { name, args });
      return answer.code ?? answer.value;
    };
    assert.equal(await hex('read', id, odd.id), bytes.toString('hex'));
    assert.equal(await hex('range', id, odd.id, 1, 3), 'ff0a0d');
    assert.equal(await hex('range', id, odd.id, 6, 100), '41');
    assert.equal(await hex('range', id, odd.id, 7, 1), '');
    assert.equal((await call(user, 'files', 'text', id, odd.id)).code, 'file_not_text');

    const { value: tides } = await write('high at six');
    assert.equal(tides.type, '.txt');
    assert.equal(await value(user, 'files', 'text', id, tides.id), 'high at six');
    const told = await probe(user, 'wait', { user: id, session, message: 'when?', files: [tides.id] });
    assert.equal(told.value.content, 'when?\n\n=== Tides.TXT ===\nhigh at six');
    const form = new FormData();
    form.append('session', session);
    form.append('file', new Blob(['ebb']), 'ebb.md');
    const upload = await (await fetch(`${user.url}/api/probe/upload`, {
      method: 'POST', body: form, headers: { Authorization: `Bearer ${user.token}` },
    })).json();
    assert.deepEqual([upload.value.name, upload.value.size], ['ebb.md', 3]);
    const list = await value(user, 'files', 'list', id, session);
    assert.deepEqual(list, [upload.value, tides, odd]);
    assert.deepEqual(await value(user, 'files', 'get', id, tides.id), tides);

    // What is another user's is not there.
    const stranger = await context.server.user();
    for (const [name, ...args] of [['get'], ['read'], ['range', 0, 1], ['text'], ['delete']])
      assert.equal((await call(stranger, 'files', name, stranger.user.id, tides.id, ...args)).code, 'file_not_found', name);
    assert.equal((await call(stranger, 'files', 'list', stranger.user.id, session)).code, 'session_not_found');
    const foreign = { user: stranger.user.id, session, name: 'x', bytes: '' };
    assert.equal((await probe(stranger, 'write', foreign)).code, 'session_not_found');

    for (const [more, code] of [[{ name: '../x' }, 'invalid_field'], [{ name: '' }, 'missing_field'],
      [{ name: 'a\nb' }, 'invalid_field'], [{ name: 'x'.repeat(300) }, 'invalid_field']])
      assert.equal((await write('x', more)).code, code, JSON.stringify(more));
    assert.equal((await write('eleven byte', { times: 1 << 20 })).code, 'file_too_large');
    assert.equal(await value(user, 'files', 'delete', id, odd.id), true);
    assert.equal((await call(user, 'files', 'get', id, odd.id)).code, 'file_not_found');
    assert.equal((await value(user, 'files', 'list', id, session)).length, 2);
  });

  test('search finds the user\'s own messages', async () => {
    const { user, id, session, model } = await setup();
    await user.say(model, session, 'where is the lighthouse?');
    assert.equal(await value(user, 'search', 'index', id), true);
    const [found] = await value(user, 'search', 'find', id, 'lighthouse', 10);
    assert.deepEqual([found.session_id, found.role], [session, 'user']);
    assert.equal(await value(user, 'search', 'count', id, 'lighthouse', 10), 1);
    const stranger = (await context.server.user()).user.id;
    assert.equal(await value(user, 'search', 'count', stranger, 'lighthouse', 10), 0);
  });

  test('check warns of modules that are private', async () => {
    const { home } = context.server;
    assert.equal((await tidetalk(home, ['plugin', 'check', 'probe'])).stderr, '');
    mkdirSync(join(home.folder, 'plugins/curious'));
    writeFileSync(join(home.folder, 'plugins/curious/plugin.lua'),
      'return { api = 1, timers = { t = { every = 60000, run = function()\n  require("chat.chat")\nend } } }');
    const run = await tidetalk(home, ['plugin', 'check', 'curious']);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout + run.stderr,
      /plugins\/curious\/plugin\.lua:2:\d+: warning: module 'chat\.chat' is private: .* \(private_module\)/);
  });
});
