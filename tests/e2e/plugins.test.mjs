// covers: plugin, script, app/settings, app/reload, app/cli
// Plugins: a folder that is dropped in and loaded.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe } from 'node:test';
import { reload, reloaded } from './support/bundle.mjs';
import { test } from './support/limits.mjs';
import { tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

/** A file of a plugin of this server. */
function put(server, path, text) {
  const file = join(server.home.folder, 'plugins', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function removePlugins(server) {
  rmSync(join(server.home.folder, 'plugins'), { recursive: true, force: true });
}

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
    put(server, 'greeting/plugin.lua', plugin(`hooks = {
    before_llm = function(turn) turn.title = "greeting: " .. turn.message end,
  }`, 'require("greeting.words").hello'));
    put(server, 'greeting/words.lua', 'return { hello = "ahoy" }');
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
});
