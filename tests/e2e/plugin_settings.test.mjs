// covers: plugin, script, tide, app/settings, app/reload, app/cli
// Settings of plugins: from the settings file, the environment and files.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { reload, reloaded } from './support/bundle.mjs';
import { test } from './support/limits.mjs';
import { tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const PLUGIN = `
local config = require "tide.config"
return {
  api = 1,
  settings = {
    url = { type = "string", required = true, help = "where it asks" },
    limit = { type = "integer", default = 5, max = 100 },
    units = { type = "list", default = { "m" } },
    key = { type = "secret" },
    keys = { type = "secrets" },
  },
  routes = {
    { method = "GET", path = "/api/settings", auth = "none", summary = "Its settings.",
      handler = function()
        local values = {}
        for _, key in ipairs({ "url", "limit", "units" }) do
          values[key] = config.get("plugins.weather." .. key)
        end
        local known, key = pcall(config.get, "plugins.weather.key")
        values.key = known and tostring(key) or "none"
        for _, name in ipairs(config.get("plugins.weather.keys")) do
          values[name] = tostring(config.get("plugins.weather.keys." .. name))
        end
        return { json = values }
      end },
  },
}`;

describe('settings of plugins', () => {
  const context = withServer({ env: { TIDETALK_PLUGINS_WEATHER_LIMIT: '7' } });
  const write = (text) => writeFileSync(join(context.server.home.folder, 'tidetalk.yaml'), text);
  const values = async () => (await context.server.client().get('/api/settings')).body;

  test('a required one refuses the reload until it is there', async () => {
    const { server } = context;
    const folder = join(server.home.folder, 'plugins/weather');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'plugin.lua'), PLUGIN);
    const refusal = await reload(server);
    assert.equal(refusal.status, 422);
    assert.deepEqual(refusal.body.errors.map(({ file, line, message }) => ({ file, line, message })), [{
      file: 'plugins/weather/plugin.lua',
      line: 6,
      message: 'plugins.weather.url: must be set, in tidetalk.yaml or as TIDETALK_PLUGINS_WEATHER_URL',
    }]);
    write('plugins:\n  weather:\n    url: https://example.org\n    units: [km, kn]\n    key: s3cret\n');
    await reloaded(server);
    assert.deepEqual(await values(),
      { url: 'https://example.org', limit: 7, units: ['km', 'kn'], key: '[secret]' });
  });

  test('other values are another generation, also when no script has changed', async () => {
    const { server } = context;
    const before = (await reload(server)).body;
    assert.equal(before.unchanged, true);
    const file = join(server.home.folder, 'key');
    writeFileSync(file, 'another\n');
    write(`plugins:\n  weather:\n    url: https://example.net\n    key_file: ${file}\n`);
    const after = await reloaded(server);
    assert.equal(after.generation, before.generation + 1);
    assert.deepEqual(await values(), { url: 'https://example.net', limit: 7, units: ['m'], key: '[secret]' });
    writeFileSync(file, 'a third one\n');
    assert.equal((await reloaded(server)).generation, after.generation + 1);
  });

  test('config show masks secrets', async () => {
    const { server } = context;
    const run = await tidetalk(server.home, ['config', 'show']);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /^plugins.weather.key = \*\*\*\* {2}# tidetalk.yaml:4$/m);
    assert.match(run.stdout, /^plugins.weather.limit = 7 {2}# TIDETALK_PLUGINS_WEATHER_LIMIT$/m);
    assert.match(run.stdout, /^plugins.weather.units = m {2}# default$/m);
    assert.match(run.stdout, /^plugins.weather.url = https:\/\/example.net {2}# tidetalk.yaml:3$/m);
    assert.ok(!run.stdout.includes('a third one'));
  });

  test('secrets have names, and are in files', async () => {
    const { server } = context;
    const show = async () => (await tidetalk(server.home, ['config', 'show'])).stdout;
    write('plugins:\n  weather:\n    url: u\n    keys: [lisbon=abc, porto=d=e]\n');
    await reloaded(server);
    const { lisbon, porto } = await values();
    assert.deepEqual([lisbon, porto], ['[secret]', '[secret]']);
    assert.match(await show(), /^plugins.weather.keys = lisbon=\*{4}, porto=\*{4} {2}# tidetalk.yaml:4$/m);
    const file = join(server.home.folder, 'key');
    write(`plugins:\n  weather:\n    url: u\n    keys_file: [faro=${file}]\n`);
    const { generation } = await reloaded(server);
    assert.equal((await values()).faro, '[secret]');
    writeFileSync(file, 'a fourth one\n');
    assert.equal((await reloaded(server)).generation, generation + 1);
    for (const [line, told] of [
      ['keys: [lisbon]', 'must be a list of NAME=SECRET, each name once'],
      ['keys: [a=b, a=c]', 'must be a list of NAME=SECRET, each name once'],
      ['keys_file: [a=/none/such]', 'must be a list of NAME=FILE; /none/such: '],
    ]) {
      write(`plugins:\n  weather:\n    url: u\n    ${line}\n`);
      const [{ message }] = (await reload(server)).body.errors;
      assert.ok(message.startsWith(`plugins.weather.keys: ${told}`), message);
    }
    write('plugins:\n  weather:\n    url: https://example.net\n');
    await reloaded(server);
  });

  test('what is wrong is told with its line', async () => {
    const { server } = context;
    write('plugins:\n  weather:\n    url: u\n    limt: 8\n  other:\n    url: u\n');
    const refusal = await reload(server);
    assert.deepEqual(refusal.body.errors.map(({ file, line }) => `${file}:${line}`), ['tidetalk.yaml:4']);
    const check = await tidetalk(server.home, ['check']);
    assert.match(check.stderr, /^tidetalk.yaml:4:1: error: plugins.weather.limt: unknown setting; the plugin has/m);
    write('plugins:\n  weather:\n    url: u\n  other:\n    url: u\n');
    const warned = await tidetalk(server.home, ['check']);
    assert.equal(warned.code, 0, warned.stderr);
    assert.match(warned.stderr, /^tidetalk.yaml:5:1: warning: plugins.other: there is no such plugin.* \(unknown_plugin\)$/m);
    write('plugins:\n  weather: [1]\n');
    assert.match((await reload(server)).body.errors[0].message, /a plugin's settings are lines of/);
    assert.equal((await values()).url, 'https://example.net');
  });
});
