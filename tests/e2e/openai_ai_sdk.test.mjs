// covers: doors
// The stock npm packages `ai` and `@ai-sdk/openai-compatible`, unmodified, against the OpenAI routes.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import { keyHolder } from './support/door.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';

describe('the npm packages ai and @ai-sdk/openai-compatible', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario) => {
    const { user, key, baseURL } = await keyHolder(context.server);
    const provider = createOpenAICompatible({ name: 'tidetalk', apiKey: key, baseURL, includeUsage: true });
    return provider(await user.model(context.mock.url(scenario), { model_name: 'vendor/tide-1' }));
  };

  test('generate a text', async () => {
    const { text, reasoningText, usage, finishReason } = await generateText({
      model: await setup('reasoning=1'), prompt: 'hi', maxRetries: 0,
    });
    assert.equal(text, WORDS);
    assert.equal(reasoningText, 'think0 ');
    assert.equal(finishReason, 'stop');
    assert.equal(usage.inputTokens, 1);
    assert.equal(usage.outputTokens, 9);
  });

  test('stream a text', async () => {
    const result = streamText({ model: await setup('pace=3,reasoning=2'), prompt: 'hi', maxRetries: 0 });
    let text = '';
    for await (const delta of result.textStream) text += delta;
    assert.equal(text, WORDS);
    assert.equal(await result.reasoningText, 'think0 think1 ');
    assert.equal(await result.finishReason, 'stop');
    assert.equal((await result.usage).outputTokens, 10);
  });

  test('abort a stream, which ends the call to the upstream', async () => {
    const controller = new AbortController();
    const result = streamText({
      model: await setup('fault=endless,pace=5'), prompt: 'hi', abortSignal: controller.signal, onError() {},
    });
    for await (const delta of result.textStream) {
      if (delta) controller.abort();
    }
    await eventually(async () => (await context.mock.stats()).active === 0, 'the upstream is let go');
  });

  test('tell what went wrong', async () => {
    await assert.rejects(generateText({ model: await setup('status=401'), prompt: 'hi', maxRetries: 0 }),
      (error) => error.statusCode === 502 && error.data.error.code === 'upstream_unauthorized');
    const errors = [];
    const result = streamText({
      model: await setup('fault=reset_mid,at=3,pace=20'), prompt: 'hi', maxRetries: 0,
      onError: ({ error }) => errors.push(error),
    });
    for await (const delta of result.textStream) assert.ok(delta);
    assert.equal(errors.length, 1);
  });

  test('try again', async () => {
    const { text } = await generateText({
      model: await setup('status=503,fails=1,id=ai'), prompt: 'hi', maxRetries: 3,
    });
    assert.equal(text, WORDS);
  });
});
