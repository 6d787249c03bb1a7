// covers: models, upstream
// Trying a configuration: one token is asked for, what the provider says is for who tries.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from './support/limits.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, keysOf, withServer } from './support/suite.mjs';

describe('a connection test', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_UPSTREAM_CONNECT_TIMEOUT: '2s' }, mock: true });

  /** Tries a new configuration with this address: the whole answer. */
  const attempt = async (baseUrl) => {
    const user = await context.server.user();
    await user.model(baseUrl);
    const { api } = await user.ok('GET', '/api/user/apis/first');
    const answer = await user.post(`/api/user/apis/${api.id}/test`, {});
    assert.equal(answer.status, 200, answer.text);
    return { user, api, answer, result: answer.body };
  };

  test('that succeeds tells the times and asks for one token', async () => {
    await context.mock.reset();
    const { user, result, answer } = await attempt(context.mock.url('text=SECRET-OF-UPSTREAM,first=20'));
    assert.deepEqual(keysOf(result), ['latency_ms', 'ok', 'status', 'ttft_ms']);
    assert.deepEqual([result.ok, result.status], [true, 200]);
    assert.ok(result.ttft_ms >= 20 && result.ttft_ms <= result.latency_ms, answer.text);
    assert.doesNotMatch(answer.text, /SECRET/);
    const [{ json, headers }] = await context.mock.requests();
    assert.equal(json.max_tokens, 1);
    assert.equal(headers.authorization, `Bearer ${user.apiKey}`);
    assert.deepEqual((await user.ok('GET', '/api/chat/sessions')).data, [], 'nothing is stored');
  });

  test('that is refused tells the status, and what the provider says', async () => {
    for (const [status, code] of [
      [401, 'upstream_unauthorized'], [404, 'upstream_not_found'], [429, 'upstream_rate_limited'],
      [500, 'upstream_failed'],
    ]) {
      const { result, answer } = await attempt(context.mock.url(`status=${status}`));
      assert.deepEqual([result.ok, result.status, result.code], [false, status, code]);
      const direct = await fetch(`${context.mock.url(`status=${status}`)}/chat/completions`, {
        method: 'POST', body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] }),
      });
      const words = (await direct.json()).error.message;
      assert.equal(result.detail, words);
      assert.doesNotMatch(answer.text, /sk-test/);
    }
  });

  test('to where nobody listens, and to what is no such service', async () => {
    const { result } = await attempt(`http://127.0.0.1:${await freePort()}/v1`);
    assert.deepEqual([result.ok, result.status, typeof result.code], [false, 0, 'string']);
    for (const scenario of ['fault=garbage', 'fault=html', 'fault=reset', 'fault=close_mid']) {
      const { result: failed, answer } = await attempt(context.mock.url(scenario));
      assert.equal(failed.ok, false, scenario);
      assert.equal(typeof failed.code, 'string', scenario);
      assert.doesNotMatch(answer.text, /<html|tok0/i, scenario);
    }
  });

  test("is for one's own configurations", async () => {
    const { api } = await attempt(context.mock.url('tokens=1'));
    const stranger = await context.server.user();
    await context.mock.reset();
    assertError(await stranger.post(`/api/user/apis/${api.id}/test`, {}), 404, 'api_not_found');
    assert.equal((await context.mock.requests()).length, 0);
  });
});
