// covers: plugin, script, app/settings, app/reload, app/cli
// Plugins: a folder that is dropped in and loaded.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe } from 'node:test';
import { reload, reloaded } from './support/bundle.mjs';
import { eventually, test } from './support/limits.mjs';
import { putPlugin, removePlugins } from './support/plugins.mjs';
import { makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts, writeScript } from './support/scripts.mjs';
import { tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

/** plugin.lua with these members, and a route that answers with what `value` is. */
const plugin = (members, value) => `
return {
  api = 1,
  ${members},
  ${value ? `routes = {
    { method = "GET", path = "/api/plugin", auth = "none", summary = "What it knows.",
      handler = function() return { json = { value = ${value} } } end },
  },` : ''}
}`;

describe('plugins', () => {
  const context = withServer({});

  test('a folder that is dropped in works after a reload', async () => {
    const { server } = context;
    const user = await server.user('dropped');
    assert.equal((await user.get('/api/plugin')).status, 404);
    putPlugin(server, 'greeting/plugin.lua', plugin(`hooks = {
    before_llm = function(turn) turn.title = "greeting: " .. turn.message end,
  }`, 'require("greeting.words").hello'));
    putPlugin(server, 'greeting/words.lua', 'return { hello = "ahoy" }');
    const run = await tidetalk(server.home, ['reload']);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /plugins\/greeting\/plugin.lua/);
    assert.deepEqual((await user.get('/api/plugin')).body, { value: 'ahoy' });
    await user.post('/api/chat/message', { session_id: 'greeted', model_name: 'demo', message: 'hi' });
    const { body } = await user.get('/api/chat/sessions');
    assert.equal(body.data[0].Title, 'greeting: hi');

    // Back without it, from the history.
    assert.equal((await tidetalk(server.home, ['rollback'])).code, 0);
    assert.equal((await user.get('/api/plugin')).status, 404);
    removePlugins(server);
    await reload(server);
  });

  test('what is wrong with a plugin refuses the reload, with file and line', async () => {
    const { server } = context;
    putPlugin(server, 'one/plugin.lua', plugin('version = 1', '1'));
    putPlugin(server, 'two/plugin.lua', plugin('hooks = {\n    befor_llm = function() end,\n  }', '2'));
    putPlugin(server, 'three/plugin.lua', 'return {\n  api = 1,\n  routs = {},\n}');
    const refusal = await reload(server);
    assert.equal(refusal.status, 422);
    const told = refusal.body.errors.map((error) => `${error.file}:${error.line} ${error.message}`);
    assert.equal(told.length, 3, told);
    assert.match(told.join('\n'), /^plugins\/one\/plugin.lua:4 'version' must be a string, not an integer$/m);
    assert.match(told.join('\n'), /^plugins\/three\/plugin.lua:3 'routs' is no member; there are api, errors/m);
    assert.match(told.join('\n'), /^plugins\/two\/plugin.lua:5 'hooks.befor_llm' is unknown; there are after_llm/m);

    putPlugin(server, 'one/plugin.lua', plugin('version = "1"', '1'));
    putPlugin(server, 'two/plugin.lua', plugin('version = "2"', '2'));
    putPlugin(server, 'three/plugin.lua', 'return { api = 1 }');
    const conflict = await reload(server);
    assert.equal(conflict.status, 422);
    assert.equal(conflict.body.errors.length, 1);
    assert.equal(conflict.body.errors[0].file, 'plugins/two/plugin.lua');
    assert.equal(conflict.body.errors[0].message, 'two plugins serve GET /api/plugin: one and two');
    assert.equal((await server.client().get('/api/plugin')).status, 404);
  });

  test('plugin list, check, disable, enable and remove', async () => {
    const { server } = context;
    const command = async (...words) => {
      const run = await tidetalk(server.home, ['plugin', ...words]);
      return { code: run.code, text: run.stdout + run.stderr };
    };
    const conflict = await command('check', 'two');
    assert.equal(conflict.code, 1);
    assert.match(conflict.text, /plugins\/two\/plugin.lua:7:\d+: error: two plugins serve GET .* \(broken_plugin\)/);
    const other = await command('check', 'one');
    assert.equal(other.code, 0, other.text);
    assert.match(other.text, /^ok: one, but other scripts have errors/);

    assert.equal((await command('disable', 'two')).code, 0);
    assert.match((await command('check', 'two')).text, /two is disabled/);
    assert.match((await command('list')).text,
      /^one +enabled +1 +1\nthree +enabled +2 +-\ntwo +disabled\n$/);
    assert.equal((await reload(server)).status, 200);
    assert.deepEqual((await server.client().get('/api/plugin')).body, { value: 1 });

    assert.equal((await command('remove', 'one')).code, 0);
    assert.equal((await command('enable', 'two')).code, 0);
    assert.equal((await command('check', 'two')).text, 'ok: two\n');
    assert.equal((await reload(server)).status, 200);
    assert.deepEqual((await server.client().get('/api/plugin')).body, { value: 2 });

    for (const words of [['enable', 'one'], ['remove', '../data'], ['check', '.']])
      assert.equal((await command(...words)).code, 1, words);
    assert.equal((await command('explode', 'two')).code, 2);
    removePlugins(server);
    assert.deepEqual(await command('list'), { code: 0, text: '' });
    await reload(server);
  });

  test('an app.lua that is older than plugins is told by check', async () => {
    const { server } = context;
    putPlugin(server, 'late/plugin.lua', 'return { api = 1 }');
    const lua = copyScripts(makeFolder());
    const app = readFileSync(join(lua, 'app.lua'), 'utf8');
    writeScript(lua, 'app.lua', app.replace('plugins = plugins.plugins,', ''));
    const run = await tidetalk(server.home, ['check'], { env: { TIDETALK_LUA_DIR: lua } });
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stderr, /app.lua:1:\d+: warning: the plugin late is not loaded: this app.lua is older than plugins/);
    removeFolder(dirname(lua));
    removePlugins(server);
  });

  test('a name that the server has is told with the plugin', async () => {
    const { server } = context;
    putPlugin(server, 'chat/plugin.lua', 'return { api = 1 }');
    const refusal = await reload(server);
    assert.deepEqual(refusal.body.errors.map(({ file, line }) => `${file}:${line}`), ['plugins/chat/plugin.lua:1']);
    const run = await tidetalk(server.home, ['check']);
    assert.match(run.stderr, /^plugins\/chat\/plugin.lua:1:1: error: the server's own scripts have the name 'chat'/m);
    removePlugins(server);
  });

  test('modules of another plugin are out of reach, and two plugins come in order', async () => {
    const { server } = context;
    putPlugin(server, 'sun/plugin.lua', plugin('order = 60, hooks = { on_response = function(_, _, response)'
      + ' if response and response.json then response.json.value = (response.json.value or "") .. "s" end'
      + ' return response end }', '"v"'));
    putPlugin(server, 'moon/plugin.lua', 'return { api = 1, requires = { "sun" }, hooks = {'
      + ' on_response = function(_, _, response) if response and response.json then'
      + ' response.json.value = (response.json.value or "") .. "m" end return response end } }');
    await reloaded(server);
    assert.deepEqual((await server.client().get('/api/plugin')).body, { value: 'vsm' });
    putPlugin(server, 'sun/words.lua', 'return {}');
    putPlugin(server, 'moon/plugin.lua', 'local words = require "sun.words"\nreturn { api = 1 }');
    const [error] = (await reload(server)).body.errors;
    assert.equal(`${error.file}:${error.line}`, 'plugins/moon/plugin.lua:1');
    assert.match(error.message, /^module 'sun.words' belongs to the plugin sun/);
    removePlugins(server);
    await reload(server);
  });

  test('errors, policies, timers and providers of a plugin', async () => {
    const { server } = context;
    putPlugin(server, 'moon/plugin.lua', `
local dict = require("tide.shared").dict("moon")
return {
  api = 1,
  errors = { no_tide = { status = 422, en = "There is no {what} tide.", zh = "没有潮汐" } },
  policies = { title = { from_message = function(message) return "moon: " .. message end } },
  timers = { rise = { every = 10, run = function() dict:incr("ticks") end } },
  providers = { moon = {
    base_url = "https://moon.example.org", key_optional = true, framing = "sse", stream = {}, whole = {},
    build = function() return {} end,
    play = function() return { text = "full moon" } end,
  } },
  routes = {
    { method = "GET", path = "/api/moon", auth = "none", summary = "An error.",
      handler = function() return nil, { code = "no_tide", args = { what = "high" } } end },
    { method = "GET", path = "/api/ticks", auth = "none", summary = "How often.",
      handler = function() return { json = { ticks = dict:get("ticks") or 0 } } end },
  },
}`);
    await reloaded(server);
    const user = await server.user('moon');
    const refusal = await user.get('/api/moon');
    assert.equal(refusal.status, 422);
    assert.equal(refusal.body.error, 'There is no high tide.');
    await eventually(async () => (await user.get('/api/ticks')).body.ticks > 1, 'the timer ticks');
    const api = await user.post('/api/user/apis', { api_name: 'm', api_key: 'k', model_name: 'full', provider: 'moon' });
    assert.equal(api.status, 200, api.text);
    const reply = await user.post('/api/chat/message', { session_id: 'full', model_name: 'full', message: 'hi' });
    assert.equal(reply.body.response, 'full moon', reply.text);
    const { body } = await user.get('/api/chat/sessions');
    assert.equal(body.data[0].Title, 'moon: hi');
    removePlugins(server);
    await reload(server);
  });
});
