// covers: doors, models, providers, chat
// Reasoning before tool calls goes back to the services that want it, and to no others.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { uniqueName } from './support/client.mjs';
import { keyHolder } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { TOOL, create } from './support/responses.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const BACK = { deepseek: true, moonshot: true, openai: false, zhipu: false, anthropic: false, gemini: false };

describe('reasoning before calls', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  const setup = async (provider, scenario = 'echo=body') => {
    const { user, key } = await keyHolder(context.server);
    return { user, key, model: await user.model(context.mock.url(scenario), { provider }) };
  };
  /** What the upstream was asked last: all of it, and the reasoning of the messages with calls. */
  const asked = async () => {
    const { json } = (await context.mock.requests(1)).at(-1);
    return {
      text: JSON.stringify(json),
      reasoning: (json.messages ?? []).filter((message) => message.tool_calls)
        .map((message) => message.reasoning_content),
    };
  };

  for (const [provider, back] of Object.entries(BACK)) {
    const assertAsked = async (reasoning) => {
      const told = await asked();
      if (back) assert.deepEqual(told.reasoning, reasoning);
      else assert.doesNotMatch(told.text, /reasoning_content|think0/);
      return told;
    };

    // A service that speaks the door's own form has the request as it came.
    if (provider !== 'anthropic') {
      test(`/v1/messages: ${provider}`, async () => {
        const { key, model } = await setup(provider);
        const call = (id, ...thoughts) => [
          { role: 'assistant', content: [...thoughts, { type: 'tool_use', id, name: 'look', input: {} }] },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: '1' }] },
        ];
        const answer = await context.server.client().post('/v1/messages', {
          model, max_tokens: 100,
          messages: [
            { role: 'user', content: 'hi' },
            ...call('a', { type: 'thinking', thinking: 'think0 a', signature: '' }),
            ...call('b'),
            ...call('c', { type: 'thinking', thinking: 'think0 c', signature: 's' }),
          ],
          tools: [{ name: 'look', input_schema: { type: 'object' } }],
        }, { headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' } });
        assert.equal(answer.status, 200, answer.text);
        await assertAsked(['think0 a', undefined, 'think0 c']);
      });
    }

    test(`/v1/responses, as items and by the id of a response: ${provider}`, async () => {
      const { user, model } = await setup(provider, 'tools=1,reasoning=2');
      const first = await create(user, { model, input: 'hi', tools: [TOOL] });
      const call = first.output.find(({ type }) => type === 'function_call');
      const output = { type: 'function_call_output', call_id: call.call_id, output: 'warm' };
      const rest = { model, tools: [TOOL] };
      const wanted = [first.output.find(({ type }) => type === 'reasoning')?.summary[0].text];
      if (back) assert.equal(wanted[0], 'think0 think1 ');
      await create(user, { ...rest, store: false, input: [{ role: 'user', content: 'hi' }, ...first.output, output] });
      await assertAsked(wanted);
      await create(user, { ...rest, previous_response_id: first.id, input: [output] });
      await assertAsked(wanted);
    });
  }

  test('the tools of a turn, in its next part and in the next turn', async () => {
    const { server } = context;
    const folder = join(server.home.folder, 'plugins', 'tides');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'plugin.lua'), `
return {
  api = 1,
  tools = {
    get_weather = {
      description = "The height of the tide",
      parameters = { type = "object", properties = { place = { type = "string" } } },
      run = function() return "3 m" end,
    },
  },
}`);
    await reloaded(server);
    for (const [provider, back] of Object.entries({ deepseek: true, openai: false })) {
      const { user, model } = await setup(provider, 'tools=1,reasoning=2');
      const session = uniqueName('session');
      for (const message of ['how high?', 'and now?']) {
        const reader = await user.stream(model, session, message);
        assert.equal(reader.last.finish_reason, 'stop');
        const { reasoning } = await asked();
        assert.notEqual(reasoning.length, 0);
        for (const one of reasoning) assert.equal(one, back ? 'think0 think1 ' : undefined, provider);
      }
    }
  });
});
