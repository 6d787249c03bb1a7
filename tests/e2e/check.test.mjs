// covers: app/cli, script, serve, checks
// `tidetalk check` and `tidetalk routes`: everything that is wrong, with its place, for people and editors.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { test } from './support/limits.mjs';
import { copyScripts, nameHook } from './support/scripts.mjs';
import { makeHome, tidetalk } from './support/server.mjs';

const PLACED = /^(\S+?):(\d+):(\d+): (error|warning): (.+) \(([a-z_]+)\)$/;

describe('tidetalk check', () => {
  const homes = [];
  after(() => homes.forEach((home) => home.remove()));

  const setup = (files = {}) => {
    const home = makeHome();
    homes.push(home);
    home.env.TIDETALK_LUA_DIR = 'lua';
    home.env.TIDETALK_PERSONAS = 'style.yaml';
    return { home, lua: copyScripts(home.folder, files) };
  };
  const check = async (home, args = []) => {
    const { code, stdout, stderr } = await tidetalk(home, ['check', ...args]);
    const lines = stderr.trim().split('\n').map((line) => PLACED.exec(line)?.slice(1)).filter(Boolean);
    return { code, stdout, stderr, lines };
  };
  const json = async (home) => {
    const { code, stdout } = await tidetalk(home, ['check', '--json']);
    return { code, found: JSON.parse(stdout) };
  };

  test('has nothing to say about what comes along', async () => {
    const { home } = setup();
    const plain = await check(home);
    assert.equal(plain.code, 0, plain.stderr);
    assert.equal(plain.stderr, '');
    assert.match(plain.stdout, /^ok: \d+ routes, 3 personas, scripts [0-9a-f]{12}$/m);
    assert.deepEqual(await json(home), { code: 0, found: [] });
  });

  test('tells all syntax errors, in both forms the same', async () => {
    const { home } = setup({
      'models/model_routes.lua': 'local x = 1\nlocal y = = 2\n', 'policy/title.lua': 'return {\n  a = * 1 }\n',
    });
    const { code, lines } = await check(home);
    assert.equal(code, 1);
    assert.deepEqual(lines.map(([file, line, column, severity, , what]) => [file, line, column, severity, what]), [
      ['lua/policy/title.lua', '2', '7', 'error', 'syntax_error'],
      ['lua/models/model_routes.lua', '2', '9', 'error', 'syntax_error'],
    ].sort());
    const { found } = await json(home);
    assert.deepEqual(found, lines.map(([file, line, column, severity, message, what]) => (
      { file, line: Number(line), column: Number(column), severity, code: what, message })));
  });

  test('tells that a route is the core\'s', async () => {
    const { home } = setup({
      'models/model_routes.lua': 'return {\n  { method = "GET", path = "/readyz", auth = "none",\n    handler = function() return {} end } }\n',
    });
    const { code, stderr } = await check(home);
    assert.equal(code, 1);
    assert.match(stderr, /models\/model_routes\.lua:3:.*GET \/readyz\): the core answers this route/);
  });

  test('tells settings, personas and scripts at once', async () => {
    const { home } = setup({ 'models/model_routes.lua': 'local = 1' });
    writeFileSync(join(home.folder, 'tidetalk.yaml'), 'workers: many\nlisten: nowhere\nworkerz: 1\n');
    writeFileSync(join(home.folder, 'style.yaml'), 'personas:\n  - name: x\n    contend: y\n');
    delete home.env.TIDETALK_LISTEN;
    delete home.env.TIDETALK_WORKERS;
    home.env.TIDETALK_DRAIN = 'soon';
    const { code, found } = await json(home);
    assert.equal(code, 1);
    const at = found.map((f) => [f.file, f.line, f.code]);
    assert.deepEqual(at.slice(0, 4), [
      ['tidetalk.yaml', 1, 'invalid_setting'], ['tidetalk.yaml', 2, 'invalid_setting'],
      ['tidetalk.yaml', 3, 'invalid_setting'], ['TIDETALK_DRAIN', null, 'invalid_setting'],
    ]);
    assert.ok(found.some((f) => f.file === 'style.yaml' && f.line === 3 && f.code === 'invalid_persona'));
    assert.ok(found.some((f) => f.file === 'lua/models/model_routes.lua' && f.line === 1));
    assert.match(found[2].message, /nearest known one is "workers"/);
  });

  test('tells what a body raises, and every wrong route', async () => {
    const raised = setup({ 'policy/title.lua': 'local M = {}\n  local n = nil + 1\nreturn M' });
    const { lines } = await check(raised.home);
    assert.deepEqual(lines[0].slice(0, 4), ['lua/policy/title.lua', '2', '3', 'error']);
    assert.equal(lines[0][5], 'load_error');
    const routes = setup({
      'chat/persona_routes.lua': `return {
        {method = "GET", path = "/api/a", auth = "nobody", handler = function() end},
        {method = "GET", path = "/api/login/", auth = "none", handler = 5},
      }`,
    });
    const wrong = (await check(routes.home)).lines;
    assert.equal(wrong.length, 2);
    assert.deepEqual(wrong.map(([file, line, , , , what]) => [file, line, what])[0],
      ['lua/chat/persona_routes.lua', '2', 'invalid_route']);
  });

  test('tells that a file of routes returns one route', async () => {
    const { home } = setup({ 'routes/one.lua': 'return { method = "GET", path = "/api/x", auth = "none", handler = function() return {} end }' });
    const { code, lines } = await check(home);
    assert.equal(code, 1);
    assert.deepEqual(lines.map(([file, line, , severity, , what]) => [file, line, severity, what]),
      [['lua/routes/one.lua', '1', 'error', 'invalid_route']]);
    assert.match(lines[0][4], /a list of routes, not one route/);
  });

  /** The findings about one file, "line code" each, sorted by line. */
  const found = (lines, file) => lines.filter(([at]) => at === file)
    .map(([, line, , , , what]) => `${line} ${what}`).sort((a, b) => parseInt(a, 10) - parseInt(b, 10));
  /** A route of these lines, from line 4 on, and the hooks `on_delta`, `quota`. */
  const route = (lines) => `local db, time = require "tide.db", require "tide.time"
local errors = require "lib.errors"
return { { method = "GET", path = "/api/x", auth = "none", summary = "x", handler = function(req)
${lines.join('\n')}
end } }`;
  const withRoute = (text, more = {}) => {
    const made = setup({ 'routes/mine.lua': text, ...more });
    const app = join(made.lua, 'app.lua');
    writeFileSync(app, readFileSync(app, 'utf8').replace('  require "account.admin_user_routes",', '$&\n  require "routes.mine",'));
    return made;
  };

  test('warns of globals that are not there, also in functions that are never called', async () => {
    const { home } = withRoute(`local function never(x)
  prnt(x)
  local unpack = unpack or table.unpack
  print(_G.nothing, string, x.prnt)
  return function()
    counter = unpack(x)
  end
end
local _ENV = { free = 1 }
local function own() return free, whatever end
return {}`);
    const { code, lines, stderr } = await check(home);
    assert.equal(code, 0, stderr);
    assert.deepEqual(found(lines, 'lua/routes/mine.lua'),
      ['2 undefined_global', '6 global_assignment'], stderr);
    assert.match(stderr, /mine\.lua:2:3: warning: 'prnt' is not defined/);
    assert.match(stderr, /mine\.lua:6:5: warning: 'counter' is set as a global.*use local/);
  });

  test('warns of answers and errors that are none, by line', async () => {
    const { home, lua } = withRoute(route([
      '  if req.a then return "text" end',
      '  if req.b then return nil, "text" end',
      '  if req.c then return { jsn = 1, status = 200, headers = { any = "x" } } end',
      '  if req.d then return nil, { code = "no_such_thing", status = 404 } end',
      '  if req.e then return nil, errors.new("no_such_code") end',
      '  local list = (function() return 5 end)()',
      '  if req.f then return nil, { code = "not_found" } elseif req.g then return req.h, req.i end',
      '  return { status = 204, body = "", headers = { ["X-Any"] = "y" } }',
    ]), {
      'hooks/mine.lua': `return {
  quota = function() return "soon" end,
  before_llm = function(turn)
    if turn.first then return nil, "no" end
    return false
  end,
  on_request = function(req) return { jsn = 1 } end,
  after_llm = function() return 1 end,
}`,
    });
    nameHook(lua, 'mine');
    const { code, lines, stderr } = await check(home);
    assert.equal(code, 0, stderr);
    assert.deepEqual(found(lines, 'lua/routes/mine.lua'), ['4 wrong_return', '5 wrong_return', '6 unknown_response_field',
      '7 unknown_error_code', '8 unknown_error_code'], stderr);
    assert.deepEqual(found(lines, 'lua/hooks/mine.lua'),
      ['2 wrong_return', '4 wrong_return', '5 wrong_return', '7 unknown_response_field'], stderr);
    assert.match(stderr, /mine\.lua:4:3: warning: the handler returns a string/);
    assert.match(stderr, /mine\.lua:2:3: warning: quota returns a string/);
  });

  test('warns of calls that wait where nothing can', async () => {
    const { home, lua } = withRoute(`local db = require "tide.db"
local task = require "tide.task"
local M = {}
local function rows()
  return db.query("SELECT 1")
end
function M.by_age(a, b)
  local n = rows()
  return a < b
end
local function fine(a, b)
  task.spawn(function() db.query("SELECT 1") end)
  return a < b
end
local function sorts(list)
  table.sort(list, M.by_age)
  table.sort(list, fine)
  table.sort(db.query("SELECT 1"), function(a, b)
    return db.one("SELECT 1") and a < b
  end)
  local text = ("x"):gsub("x", function() return db.json("SELECT 1") end)
  string.gsub(text, "x", rows)
  return setmetatable({}, { __tostring = function() return rows() end, __call = rows })
end
return { { method = "GET", path = "/api/x", auth = "none", summary = "x", handler = function()
  return { json = sorts({}) }
end } }`, {
      'hooks/mine.lua': `local time = require "tide.time"
return {
  on_delta = function()
    time.sleep(1)
    return function(text)
      time.sleep(1)
      return text
    end
  end,
}`,
    });
    nameHook(lua, 'mine');
    const { code, lines, stderr } = await check(home);
    assert.equal(code, 0, stderr);
    assert.deepEqual(found(lines, 'lua/routes/mine.lua'),
      [16, 19, 21, 22, 23].map((line) => `${line} cannot_wait`), stderr);
    assert.deepEqual(found(lines, 'lua/hooks/mine.lua'), ['6 cannot_wait'], stderr);
    assert.match(stderr, /mine\.lua:16:.*tide\.db\.query waits, which is not possible in a comparator of table\.sort/);
  });

  test('warns of what is most likely a mistake, and ends with 0', async () => {
    const { home, lua } = setup({
      'hooks/mine.lua': 'return {\n  on_detla = function() end,\n}',
      'routes/extra.lua': 'return {{method = "GET", path = "/api/x", auth = "none", handler = function() end}}',
    });
    nameHook(lua, 'mine');
    const title = join(lua, 'policy/title.lua');
    writeFileSync(title, readFileSync(title, 'utf8').replace(/return M\n$/, 'function M.from_mesage() end\nreturn M\n'));
    const { code, lines, stderr } = await check(home);
    assert.equal(code, 0, stderr);
    const at = lines.map(([file, line, column, severity, , what]) => [file, line, column, severity, what]);
    const line = readFileSync(title, 'utf8').split('\n').indexOf('function M.from_mesage() end') + 1;
    for (const wanted of [
      ['lua/hooks/mine.lua', '2', '3', 'warning', 'unknown_hook'],
      ['lua/routes/extra.lua', '1', '1', 'warning', 'unused_file'],
      ['lua/policy/title.lua', String(line), '1', 'warning', 'unknown_policy_function'],
    ]) assert.ok(at.some((a) => a.slice(0, 2).join() === wanted.slice(0, 2).join() && a[4] === wanted[4]),
      `${wanted}\n${stderr}`);
    assert.match(stderr, /0 errors, 3 warnings/);
  });

  test('an unreadable folder and an unknown word', async () => {
    const { home } = setup();
    home.env.TIDETALK_LUA_DIR = 'nowhere';
    const { code, found } = await json(home);
    assert.equal(code, 1);
    assert.equal(found[0].code, 'unreadable');
    assert.equal((await check(home, ['word'])).code, 2);
  });

  test('routes tells each handler\'s place', async () => {
    const { home, lua } = setup();
    const { stdout } = await tidetalk(home, ['routes', '--json']);
    const routes = JSON.parse(stdout);
    const login = routes.find((route) => route.path === '/api/login');
    assert.deepEqual({ ...login, line: 0 }, {
      method: 'POST', path: '/api/login', auth: 'none', listener: 'public',
      body_max: 8192, file: 'lua/account/account_routes.lua', line: 0,
    });
    const source = readFileSync(join(lua, 'account/account_routes.lua'), 'utf8').split('\n');
    assert.match(source[login.line - 1], /function/);
    const table = (await tidetalk(home, ['routes'])).stdout;
    assert.ok(table.includes(`lua/account/account_routes.lua:${login.line}`));
    assert.equal(table.trim().split('\n').length, routes.length);
  });
});
