// covers: serve, script, lua, doors
// JSON has an order that clients can count on: of answers, the schema's; of what is passed on to an
// upstream, the client's, with numbers as they were written.
import assert from 'node:assert/strict';
import { after, describe } from 'node:test';
import { adminText } from './support/admin.mjs';
import { reloaded } from './support/bundle.mjs';
import { keyHolder } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts, nameHook, writeScript } from './support/scripts.mjs';
import { LOOPBACK } from './support/server.mjs';
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
    assert.match(first.text, /^\{"finish_reason":"stop","message_id":\d+,"reasoning":"","response":".*"usage":\{.*\},"user_message_id":\d+\}\n$/);
    assert.equal(again.text, first.text);
  });
});

describe('what is passed on to an upstream', () => {
  const folder = makeFolder();
  const lua = copyScripts(folder);
  after(() => removeFolder(folder));
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua }, mock: true });

  const ask = async (client, body, path = '/v1/chat/completions') => {
    const answer = await client.post(path, body);
    assert.equal(answer.status, 200, answer.text);
  };
  const setup = async () => {
    const { user, key } = await keyHolder(context.server);
    const model = await user.model(context.mock.url('tokens=1'));
    const client = context.server.client();
    client.token = key;
    return { client, model };
  };
  const sent = async (count) => (await context.mock.requests(count)).map(({ body }) => body);
  // No member is where an order by name or by hash would have it.
  const request = (model, messages) => `{"zeta": 1.0, "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"zulu":{"type":"number"},"alpha":{"type":"string"}}}}},
    "messages":${messages}, "big":9007199254740993, "temperature":1e2,
    "tools":[{"type":"function","function":{"parameters":{"z":1.50,"a":{}},"name":"f"}}], "model":"${model}","metadata":{"b":"1","a":"2"}, "stream":false, "max_tokens":5}`;
  const MESSAGES = '[{"role":"user","name":"n","content":"hi \\u6f6e"},{"content":null,"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"},"id":"c1","type":"function"}]},{"tool_call_id":"c1","role":"tool","content":"1"}]';
  const expected = (model, messages) => request(model, messages).replace(/\n\s*/g, '').replace('"zeta": 1.0, ', '"zeta":1.0,')
    .replace(/, "/g, ',"').replace('"stream":false', '"stream":true').replace(/\}$/, ',"stream_options":{"include_usage":true}}');

  test('is the same bytes in 200 requests, on all workers and across a reload', async () => {
    const { client, model } = await setup();
    const bodies = [];
    let asked = 0;
    await across(context.server, lua, async () => {
      await ask(client, request(model, MESSAGES));
      asked += 1;
      if (asked % 40 === 0) bodies.push(...await sent(40));
    });
    bodies.push(...await sent(8));
    assert.deepEqual([...new Set(bodies)], [expected(model, MESSAGES)]);
    assert.ok(bodies.length >= REQUESTS);
  });

  test('embeddings too', async () => {
    const { client, model } = await setup();
    await ask(client, `{"user":"u","input":["b",  "a"],"dimensions":1e1,"model":"${model}"}`, '/v1/embeddings');
    assert.deepEqual(await sent(1), [`{"user":"u","input":["b",  "a"],"dimensions":1e1,"model":"${model}"}`]);
  });

  test('members that are read may not be given twice', async () => {
    const { client, model } = await setup();
    const given = { model: '"m"', messages: '[]', stream: 'true', stream_options: '{}', n: '1', logprobs: 'false', modalities: '["text"]', max_tokens: '1', max_completion_tokens: '1', tools: '[]', tool_choice: '"auto"' };
    for (const [name, value] of Object.entries(given)) {
      for (const twice of [`"${name}":${value},"${name}":${value}`, `"${name}":${value},"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}":${value}`]) {
        const { status, body } = await client.post('/v1/chat/completions', `{"x":1,"x":2,${twice}}`);
        assert.deepEqual([status, body.error.code, body.error.param], [400, 'invalid_field', name]);
        assert.match(body.error.message, /twice/);
      }
    }
    for (const [name, value] of [['model', `"${model}"`], ['input', '"a"']]) {
      const { status, body } = await client.post('/v1/embeddings', `{"${name}":${value},"${name}":${value}}`);
      assert.deepEqual([status, body.error.code, body.error.param], [400, 'invalid_field', name]);
    }
  });

  test('messages that a hook touches are sent as it leaves them, all else as it came', async () => {
    const { client, model } = await setup();
    writeScript(lua, 'hooks/touch.lua', `return { before_llm = function(turn)
      assert(turn.message == "hi 潮" and #turn.messages == 3 and turn.messages[1].name == "n")
      table.insert(turn.messages, 1, {role = "system", content = "first"})
    end }`);
    nameHook(lua, 'touch');
    await reloaded(context.server);
    await ask(client, request(model, MESSAGES));
    const messages = JSON.parse(MESSAGES);
    const sorted = (value) => (Array.isArray(value) ? value.map(sorted) : value && typeof value === 'object'
      ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value);
    const changed = JSON.stringify(sorted([{ role: 'system', content: 'first' }, ...messages]));
    assert.deepEqual(await sent(1), [expected(model, changed)]);
  });
});
