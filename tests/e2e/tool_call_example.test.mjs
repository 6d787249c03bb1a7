// covers: examples/tool_call, chat, tide
// examples/tool_call, run as its README says.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { ROOT, makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts } from './support/scripts.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('the example of a tool call', () => {
  const folder = makeFolder();
  after(() => removeFolder(folder));
  const lua = copyScripts(folder);
  cpSync(join(ROOT, 'examples/tool_call/lua'), lua, { recursive: true });
  const app = join(lua, 'app.lua');
  writeFileSync(app, readFileSync(app, 'utf8').replace('RESOURCES = {\n', 'RESOURCES = {\n  require "routes.weather",\n'));
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua }, mock: true });

  for (const provider of ['openai', 'anthropic']) {
    test(`the function is called and the model answers (${provider})`, async () => {
      const id = uniqueName('weather');
      const user = await context.server.user();
      const model = await user.model(context.mock.url(`tools=1,tokens=3,id=${id}`), { provider });
      const { answer } = await user.ok('POST', '/api/weather', { model_name: model, question: 'Umbrella?' });
      assert.equal(answer, 'tok0 tok1 tok2 ');
      const asked = (await context.mock.requests()).filter((r) => r.path.includes(id));
      assert.equal(asked.length, 2);
      assert.match(asked[0].body, /get_weather/);
      assert.match(asked[1].body, /celsius/, 'what the function found');
      assert.match(asked[1].body, /Paris/);
    });
  }

  test('failures are told', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('status=401'));
    assertError(await user.post('/api/weather', { model_name: model, question: 'Umbrella?' }),
      502, 'upstream_unauthorized');
    assertError(await user.post('/api/weather', { model_name: 'none', question: 'Umbrella?' }),
      422, 'no_api_for_model');
  });
});
