// covers: providers, upstream
// Every provider through the real server: what it is asked, and what comes out of its answers.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const TOOLS = [{
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: [] },
  },
}];

/** Where each one is asked, and with which header. */
const PROVIDERS = {
  openai: {
    path: /\/v1\/chat\/completions$/,
    key: (headers, key) => headers.authorization === `Bearer ${key}`,
    system: (body) => body.messages[0].content,
    tool: (body) => body.tools[0].function.parameters,
  },
  deepseek: {
    path: /\/v1\/chat\/completions$/,
    key: (headers, key) => headers.authorization === `Bearer ${key}`,
    system: (body) => body.messages[0].content,
    tool: (body) => body.tools[0].function.parameters,
  },
  anthropic: {
    path: /\/v1\/messages$/,
    key: (headers, key) => headers['x-api-key'] === key && headers['anthropic-version'] === '2023-06-01',
    apart: true, // the system prompt is no message
    system: (body) => body.system,
    tool: (body) => body.tools[0].input_schema,
  },
  gemini: {
    path: /\/v1beta\/models\/[\w.-]+:streamGenerateContent\?alt=sse$/,
    base: (url) => url.replace(/\/v1$/, '/v1beta'),
    key: (headers, key) => headers['x-goog-api-key'] === key,
    apart: true,
    system: (body) => body.systemInstruction.parts[0].text,
    tool: (body) => body.tools[0].functionDeclarations[0].parametersJsonSchema,
  },
  ollama: {
    path: /\/api\/chat$/,
    base: (url) => url.replace(/\/v1$/, ''),
    key: (headers, key) => headers.authorization === `Bearer ${key}`,
    system: (body) => body.messages[0].content,
    tool: (body) => body.tools[0].function.parameters,
  },
};

describe('providers', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (provider, scenario) => {
    const user = await context.server.user();
    const url = context.mock.url(scenario);
    const base = PROVIDERS[provider].base?.(url) ?? url;
    return { user, model: await user.model(base, { provider }), session: uniqueName('session') };
  };

  const lastRequest = async (id) => {
    const found = (await context.mock.requests()).filter((r) => r.path.includes(id));
    return found.at(-1);
  };

  for (const [name, provider] of Object.entries(PROVIDERS)) {
    test(`${name} is asked its way and streams text and reasoning`, async () => {
      const id = uniqueName('ask');
      const { user, model, session } = await setup(name, `tokens=5,reasoning=2,pace=2,id=${id}`);
      const stream = await user.stream(model, session, '潮水?');
      assert.equal(stream.text, 'tok0 tok1 tok2 tok3 tok4 ');
      assert.equal(stream.reasoning, 'think0 think1 ');
      assert.equal(stream.last.finish_reason, 'stop');
      const { reasoning_tokens: thought, ...usage } = stream.last.usage;
      assert.deepEqual(usage, { input_tokens: provider.apart ? 1 : 2, output_tokens: 7 });
      assert.ok(thought === undefined || thought === 2); // not all of them tell it

      const request = await lastRequest(id);
      assert.match(request.path, provider.path);
      assert.ok(provider.key(request.headers, user.apiKey), JSON.stringify(request.headers));
      assert.ok(!request.path.includes(user.apiKey), 'the key is not in the address');
      assert.ok(!request.body.includes(user.apiKey), 'nor in the body');
      assert.ok(provider.system(request.json).length > 0, 'the persona is sent');
      assert.match(request.body, /潮水\?/);

      // The history of the next turn is in its form too.
      const second = await user.say(model, session, 'and again');
      assert.equal(second.response, 'tok0 tok1 tok2 tok3 tok4 ');
      assert.equal(second.usage.input_tokens, provider.apart ? 3 : 4);
    });

    test(`${name} passes tool calls through, and their results back`, async () => {
      const id = uniqueName('tool');
      const { user, model, session } = await setup(name, `tools=1,id=${id}`);
      const stream = await user.stream(model, session, 'How is it in Paris?', {
        tools: TOOLS, tool_choice: 'auto',
      });
      assert.equal(stream.text, '');
      assert.equal(stream.last.finish_reason, 'tool_calls');
      const [call] = stream.toolCalls();
      assert.equal(call.name, 'get_weather');
      assert.deepEqual(JSON.parse(call.arguments), { city: 'Paris' });
      assert.ok(call.id.length > 4);
      assert.deepEqual(provider.tool((await lastRequest(id)).json), TOOLS[0].function.parameters);

      // The stored message has it whole, and so has the answer that is not streamed.
      const stored = (await user.messages(session)).at(-1);
      assert.deepEqual(stored.tool_calls, [{
        id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments },
      }]);
      const whole = await user.say(model, uniqueName('session'), 'again', { tools: TOOLS });
      assert.equal(whole.tool_calls[0].function.name, 'get_weather');
      assert.deepEqual(JSON.parse(whole.tool_calls[0].function.arguments), { city: 'Paris' });

      // And through the OpenAI door, with the tool's result, the model talks on.
      const answer = await user.ok('POST', '/v1/chat/completions', {
        model,
        tools: TOOLS,
        messages: [
          { role: 'user', content: 'How is it in Paris?' },
          { role: 'assistant', content: null, tool_calls: stored.tool_calls },
          { role: 'tool', tool_call_id: call.id, content: '{"sky":"blue"}' },
        ],
      });
      assert.match(answer.choices[0].message.content, /^tok0 /);
      assert.equal(answer.choices[0].finish_reason, 'stop');
      assert.match((await lastRequest(id)).body, /blue/);
    });

    test(`${name} fails with what went wrong`, async () => {
      const refused = await setup(name, 'status=401');
      assertError(await refused.user.post('/api/chat/message', {
        session_id: refused.session, model_name: refused.model, message: 'hi',
      }), 502, 'upstream_unauthorized');

      const broken = await setup(name, 'tokens=4,fault=error_mid,at=2');
      const stream = await broken.user.stream(broken.model, broken.session, 'hi');
      assert.equal(stream.text, 'tok0 tok1 ');
      assert.match(stream.last.code, /^upstream_(error|failed|overloaded)$/);

      const cut = await setup(name, 'tokens=4,fault=close_mid,at=3');
      const half = await cut.user.stream(cut.model, cut.session, 'hi');
      assert.equal(half.text, 'tok0 tok1 tok2 ');
      assert.match(half.last.code, /^upstream_/);
      const [, stored] = await cut.user.messages(cut.session);
      assert.equal(stored.content, 'tok0 tok1 tok2 ');
      assert.equal(stored.status, 'error');
    });

    test(`${name} says why an answer is short`, async () => {
      const { user, model, session } = await setup(name, 'tokens=1,finish=length');
      assert.equal((await user.stream(model, session, 'hi')).last.finish_reason, 'length');
    });
  }

  test('byte by byte it is the same', async () => {
    for (const name of Object.keys(PROVIDERS)) {
      const { user, model, session } = await setup(name, 'echo=1,reasoning=1,split=1,size=7');
      const stream = await user.stream(model, session, '潮水 🌊 "quoted"\n');
      assert.equal(stream.text, '潮水 🌊 "quoted"\n', name);
      assert.equal(stream.reasoning, 'think0 ', name);
    }
  });

  test('a preset needs no address, a local one does', async () => {
    const user = await context.server.user();
    const add = (provider) => user.post('/api/user/apis', {
      api_name: provider, api_key: user.apiKey, model_name: provider, provider,
    });
    assert.equal((await add('deepseek')).status, 200);
    assert.equal((await add('vllm')).status, 200);
    assertError(await user.post('/api/chat/message', {
      session_id: uniqueName('session'), model_name: 'vllm', message: 'hi',
    }), 422, 'no_base_url');
    assertError(await add('no_such_provider'), 400, 'invalid_field');
  });

  test('tools of a wrong form are refused before anything is stored', async () => {
    const { user, model, session } = await setup('anthropic', 'tokens=1');
    const send = (more) => user.post('/api/chat/message', {
      session_id: session, model_name: model, message: 'hi', ...more,
    });
    assertError(await send({ tools: 'all' }), 400, 'invalid_field');
    assertError(await send({ tools: [{ type: 'function', function: {} }] }), 400, 'missing_field');
    assertError(await send({ tool_choice: 'perhaps' }), 400, 'invalid_field');
    assertError(await user.get(`/api/chat/sessions/${session}/messages`), 404, 'session_not_found');
    for (const message of [
      { role: 'assistant', tool_calls: [{ function: { name: 'x' } }] },
      { role: 'assistant', tool_calls: [{ id: 'a', function: {} }] },
      { role: 'tool', tool_call_id: 7 },
    ]) {
      const answer = await user.post('/v1/chat/completions', { model, messages: [message] });
      assert.equal(answer.status, 400, answer.text);
    }
  });

  test('what no schema names breaks no provider', async () => {
    for (const name of Object.keys(PROVIDERS)) {
      const { user, model } = await setup(name, 'tokens=1');
      const answer = await user.post('/v1/chat/completions', {
        model,
        messages: [
          { role: 'user', content: [{ type: 'image_url' }, { type: 'image' }, { type: 'text', text: 7 }] },
          { role: 'user', content: [{ type: 'image', image: 5 }, { type: 'image_url', image_url: 'x' }, {}] },
          { role: 'assistant', content: [], tool_calls: [] },
          { role: 'tool', tool_call_id: 'none', content: 'x' },
          { role: 'user', content: 'hi' },
        ],
        tools: [{ type: 'odd', odd: { name: 'x' } }],
        tool_choice: { type: 'odd' },
        stop: 5,
        response_format: 'json',
      });
      assert.equal(answer.status, 200, `${name}: ${answer.text}`);
    }
  });

  test('content that is neither a text nor a list of objects reaches no provider', async () => {
    for (const name of Object.keys(PROVIDERS)) {
      const { user, model } = await setup(name, 'tokens=1');
      for (const content of [[1], ['x'], [{ type: 'text', text: 'x' }, null], { a: 1 }, 7, true]) {
        const answer = await user.post('/v1/chat/completions', { model, messages: [{ role: 'user', content }] });
        assert.equal(answer.status, 400, `${name} ${JSON.stringify(content)}: ${answer.text}`);
        assert.equal(answer.body.error.code, 'invalid_field');
      }
    }
  });
});
