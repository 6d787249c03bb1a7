// covers: serve, script, lua, doors
// JSON has an order that clients can count on: of answers, the schema's.
import assert from 'node:assert/strict';
import { after, describe } from 'node:test';
import { adminText } from './support/admin.mjs';
import { reloaded } from './support/bundle.mjs';
import { test } from './support/limits.mjs';
import { makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts, writeScript } from './support/scripts.mjs';
import { withServer } from './support/suite.mjs';

const REQUESTS = 200;
const AT_ONCE = 8;

/** Calls `act` REQUESTS times, some at once, on both workers; reloads in the middle. */
async function across(server, lua, act) {
  const results = [];
  const half = async () => {
    for (let i = 0; i < REQUESTS / 2; i += AT_ONCE) {
      results.push(...await Promise.all(Array.from({ length: AT_ONCE }, act)));
    }
  };
  await half();
  writeScript(lua, 'another.lua', 'return 1\n');
  await reloaded(server);
  await half();
  return results;
}

describe('the order of JSON', () => {
  const folder = makeFolder();
  const lua = copyScripts(folder);
  after(() => removeFolder(folder));
  const context = withServer({ env: { TIDETALK_LUA_DIR: lua } });

  test('answers are the same bytes, as their schema has them, on all workers and across a reload', async () => {
    const user = await context.server.user();
    await user.ok('POST', '/api/chat/session', { model_name: 'demo' });
    const fresh = { headers: { Connection: 'close' } }; // a connection each, so that both workers answer
    const answers = await across(context.server, lua, async () => (await user.get('/api/chat/sessions', fresh)).text);
    assert.equal(new Set(answers).size, 1, [...new Set(answers)].join(''));
    assert.match(answers[0], /^\{"data":\[\{"CreatedAt":"[^"]+","MessageCount":0,"ModelName":"demo","Persona":"[^"]*","SessionID":"[^"]+","Title":"[^"]*","UpdatedAt":"[^"]+","UserID":\d+\}\],"pagination":\{"page":1,"page_size":20,"total":1,"total_pages":1\}\}\n$/);
  });

  test('every JSON answer ends with a newline', async () => {
    const user = await context.server.user();
    const { session_id: session } = await user.ok('POST', '/api/chat/session', { model_name: 'demo' });
    await user.say('demo', session, 'hello');
    for (const path of ['/api/me', '/api/nothing', '/livez', '/readyz', '/v1/models', '/v1/models/none',
      `/api/chat/sessions/${session}/export`, '/api/files/1', '/api/chat/sessions/none/messages']) {
      const { text, headers } = await user.get(path);
      assert.match(headers.get('content-type'), /^application\/json/, path);
      assert.match(text, /[^\n]\n$/, path);
    }
    for (const path of ['/admin/status', '/admin/generations', '/admin/nothing', '/livez']) {
      const { text } = await adminText(context.server, 'GET', path);
      assert.match(text, /^\{.*[^\n]\n$/, path);
    }
  });

  test('an answer that is told again is the first one, byte for byte', async () => {
    const user = await context.server.user();
    const key = { headers: { 'Idempotency-Key': 'order' } };
    const body = { session_id: `order_${Date.now()}`, model_name: 'demo', message: 'hi' };
    const first = await user.post('/api/chat/message', body, key);
    const again = await user.post('/api/chat/message', body, key);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.match(first.text, /^\{"message_id":\d+,"response":".*"usage":\{.*\},"user_message_id":\d+\}\n$/);
    assert.equal(again.text, first.text);
  });
});
