// sqlite
// covers: lua/aliases.lua, checks, lib, app/cli, script
// Scripts of the release before: whole, and an operator's own files in today's lua/. They load, a chat works, and
// `tidetalk check` names what is old. tests/data/script/previous_release.tar.xz is that release's lua/ and style.yaml.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { ROOT, makeFolder, removeFolder, run } from './support/process.mjs';
import { copyScripts, nameHook, writeScript } from './support/scripts.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const ARCHIVE = join(ROOT, 'tests/data/script/previous_release.tar.xz');

async function unpack(folder) {
  const { code, stderr } = await run('tar', ['-xJf', ARCHIVE, '-C', folder], { cwd: folder });
  assert.equal(code, 0, stderr);
  return join(folder, 'lua');
}

/** "file:line" of each warning about an old name, and what it says. An app.lua of before does not name the routes
 * of doors that are newer. */
async function warnings(server) {
  const { code, stdout } = await tidetalk(server.home, ['check', '--json']);
  const found = JSON.parse(stdout);
  assert.equal(code, 0, stdout);
  return found.filter((f) => f.code !== 'unused_file' || !/\/doors\/\w+_routes\.lua$/.test(f.file)).map((f) => {
    assert.equal(f.code, 'old_name', stdout);
    const file = f.file.replace(/^.*?\/lua\//, '');
    return `${file}:${f.line}: ${f.message.split(';')[0]}`;
  });
}

async function chats({ server, mock }) {
  const user = await server.user();
  const demo = await user.ok('POST', '/api/chat/message', {
    session_id: uniqueName('demo'), model_name: 'demo', message: 'What is TideTalk?',
  });
  assert.match(demo.response, /chat server/);
  const model = await user.model(mock.url('tokens=3'));
  const session_id = uniqueName('real');
  const real = await user.ok('POST', '/api/chat/message', { session_id, model_name: model, message: 'hello' });
  assert.equal(real.response, 'tok0 tok1 tok2 ');
  const { data } = await user.ok('GET', `/api/chat/sessions/${session_id}/messages`);
  assert.deepEqual(data.map((m) => m.content), ['hello', 'tok0 tok1 tok2 ']);
}

describe('the scripts of the release before', async () => {
  const folder = makeFolder();
  after(() => removeFolder(folder));
  const lua = await unpack(folder);
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua }, mock: true });

  test('are served, and a chat works', () => chats(context));

  test('are checked: what is old is named', async () => {
    const told = await warnings(context.server);
    assert.deepEqual([...new Set(told.map((text) => text.replace(/^.*?: /, '')))],
      ["'random_hex' of tide.crypto is random_hex_digits now: it takes digits, not bytes",
        "'keep' of tide.files is store now"]);
    assert.ok(told.some((text) => /^services\/tokens\.lua:\d+: /.test(text)), told.join('\n'));
  });
});

const HOOK = `local objects = require "lib.objects"
local sources = require "services.sources"

return {
  on_response = function(_, _, response)
    if response then
      response.headers = response.headers or {}
      response.headers["X-Schema"] = objects.user_schema.type
      response.headers["X-Sources"] = type(sources.set)
    end
  end,
}
`;

const ROUTE = `local fields = require "lib.fields"
local models = require("services.models")
local objects = require "lib.objects"
local session_manager = require "session_manager"

local function mine(req)
  local model, err = models.resolve(req.user.id, req.query.model)
  if not model then
    return nil, err
  end
  return {
    json = {
      provider = model.provider.name,
      personas = session_manager.get_available_personas(),
      user = objects.user(req.user),
    },
  }
end

return {
  {
    method = "GET",
    path = "/api/mine",
    auth = "user",
    summary = "Mine",
    query = { fields = { fields.name("model") } },
    response = objects.object({ provider = "string", user = objects.user_schema }),
    handler = mine,
  },
}
`;

const PROVIDER = `local chat_messages = require "lib.chat_messages"

local M = { name = "echo", framing = "sse", stream = {}, whole = {} }

function M.build(request)
  return { url = request.base_url, headers = {}, body = {} }
end

function M.plan(messages)
  return { text = "echo: " .. chat_messages.text(messages[#messages].content) }
end

return M
`;

describe('files of your own that use old names', async () => {
  const folder = makeFolder();
  const old = makeFolder();
  after(() => [folder, old].forEach(removeFolder));
  await unpack(old);
  // app.lua is one of them: a new route is named there.
  const app = readFileSync(join(old, 'lua/app.lua'), 'utf8').replace('RESOURCES = {\n', 'RESOURCES = {\n  require "routes.mine",\n');
  const lua = copyScripts(folder, {
    'app.lua': app, 'hooks/mine.lua': HOOK, 'routes/mine.lua': ROUTE, 'providers/echo.lua': PROVIDER,
  });
  nameHook(lua, 'mine');
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua }, mock: true });

  const mine = async (user) => {
    const answer = await user.request('GET', '/api/mine?model=demo');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get('x-schema'), 'object');
    assert.equal(answer.headers.get('x-sources'), 'function');
    const { provider, personas, user: object } = answer.body;
    assert.equal(provider, 'demo');
    assert.ok(personas.length > 1);
    assert.deepEqual(Object.keys(object).sort(), ['created_at', 'email', 'id', 'username']);
  };

  test('do what they did, and a chat works', async () => {
    await mine(await context.server.user());
    await chats(context);
  });

  test('play a text by the old name of it', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url(''), { provider: 'echo' });
    const { response } = await user.ok('POST', '/api/chat/message', {
      session_id: uniqueName('echo'), model_name: model, message: 'hello',
    });
    assert.equal(response, 'echo: hello');
  });

  test('do so after a reload', async () => {
    writeScript(lua, 'hooks/mine.lua', `${HOOK}-- changed\n`);
    const { code, stderr } = await tidetalk(context.server.home, ['reload']);
    assert.equal(code, 0, stderr);
    await mine(await context.server.user());
  });

  test('are checked: every use of an old name is named, with what it is now', async () => {
    const told = await warnings(context.server);
    const uses = [
      'app.lua:6: module \'lib.advice\' is checks.advice now',
      'app.lua:14: module \'routes.accounts\' is account.account_routes now',
      'hooks/mine.lua:1: module \'lib.objects\' is web.objects now',
      'hooks/mine.lua:2: module \'services.sources\' is models.upstream_request now',
      'hooks/mine.lua:8: \'user_schema\' of lib.objects is account.objects.user_schema now',
      'hooks/mine.lua:9: \'set\' of services.sources is models.upstream_request.fill now',
      'providers/echo.lua:1: module \'lib.chat_messages\' is providers.chat_messages now',
      'routes/mine.lua:2: module \'services.models\' is models.models now',
      'routes/mine.lua:4: module \'session_manager\' is chat.session_manager now',
      'routes/mine.lua:15: \'user\' of lib.objects is account.objects.user now',
    ];
    for (const use of uses) assert.ok(told.includes(use), `${use}\n${told.join('\n')}`);
    const files = new Set(told.map((text) => text.split(':')[0]));
    assert.deepEqual([...files].sort(), ['app.lua', 'hooks/mine.lua', 'providers/echo.lua', 'routes/mine.lua']);
  });

  test('are checked: so are functions of a provider, by today\'s app.lua', async () => {
    writeScript(lua, 'app.lua', readFileSync(join(ROOT, 'lua/app.lua'), 'utf8').replace('RESOURCES = {\n', 'RESOURCES = {\n  require "routes.mine",\n'));
    const told = await warnings(context.server);
    assert.ok(told.includes('providers/echo.lua:9: \'plan\' of a provider is play now'), told.join('\n'));
    assert.ok(told.every((text) => !text.startsWith('app.lua')), told.join('\n'));
  });
});

/** Module and name of all that the modules of a folder of scripts export; a file of routes returns only these. */
function exportsOf(lua) {
  const files = readdirSync(lua, { recursive: true }).filter((path) => path.endsWith('.lua') && !/^(types|tests|routes)\//.test(path));
  return files.flatMap((path) => {
    const text = readFileSync(join(lua, path), 'utf8');
    const names = [...text.matchAll(/^function M[.:](\w+)|^M\.(\w+) =/gm)].map(([, called, value]) => called ?? value);
    return [...new Set(names)].map((name) => [path.slice(0, -4).replaceAll('/', '.'), name]);
  });
}

describe('whatever the modules of the release before had', async () => {
  const folder = makeFolder();
  const old = makeFolder();
  after(() => [folder, old].forEach(removeFolder));
  const all = exportsOf(await unpack(old));
  const lines = all.map(([module, name]) => `  function() return require("${module}").${name} end,`);
  const lua = copyScripts(folder, {
    'uses.lua': `return {\n${lines.join('\n')}\n}\n`,
    'missing_routes.lua': `return { { method = "GET", path = "/api/missing", auth = "none", summary = "x",
  handler = function()
    local missing = require("tide.json").array({})
    for i, use in ipairs(require "uses") do
      local ran, value = pcall(use)
      if not ran or value == nil then missing[#missing + 1] = { i, tostring(value) } end
    end
    return { json = missing }
  end } }
`,
  });
  writeScript(lua, 'app.lua', readFileSync(join(lua, 'app.lua'), 'utf8')
    .replace('RESOURCES = {\n', 'RESOURCES = {\n  require "missing_routes",\n'));
  const context = withServer({ env: { TIDETALK_LUA_DIR: lua } });

  test('is there, or is told with what to do', async () => {
    assert.ok(all.length > 150 && all.some(([module]) => module === 'services.leftovers'), `${all.length} names`);
    const { body } = await context.server.client().get('/api/missing');
    const { stdout } = await tidetalk(context.server.home, ['check', '--json']);
    const told = JSON.parse(stdout).filter((one) => one.code === 'old_name' && / is gone: /.test(one.message));
    assert.deepEqual(body.map(([i]) => i + 1), told.map((one) => one.line), JSON.stringify([body, told], null, 1));
    assert.ok(body.length > 10);
  });
});
