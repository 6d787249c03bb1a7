// covers: upstream, models, providers
// Parameters that a service refuses: learnt from its words, kept with the configuration.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { startKeyed } from './support/keyed.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const refusing = (...names) => (json) => {
  const name = names.find((one) => json[one] !== undefined);
  return name && { status: 400, body: { error: { message: `Unsupported parameter: '${name}'`, param: name } } };
};

describe('a parameter that a service refuses', () => {
  const context = withServer({ env: LOOPBACK });
  let upstream;
  before(async () => { upstream = await startKeyed(); });
  after(() => upstream.stop());

  /** Says something: which of the names the calls had. */
  const said = async (user, names) => {
    upstream.asked = [];
    assert.equal((await user.say('m', uniqueName('learnt'), 'hi')).response, 'fine');
    return upstream.asked.map(({ json }) => names.filter((name) => json[name] !== undefined));
  };

  const refusedOf = async (user) => (await user.ok('GET', '/api/user/apis/mine')).api.refused;

  test('is left out, also after a restart, until the configuration changes', async () => {
    const user = await context.server.user();
    const names = ['temperature', 'stream_options', 'max_tokens'];
    const { api } = await user.ok('POST', '/api/user/apis', {
      api_name: 'mine', api_key: user.apiKey, api_keys: ['sk-second'], model_name: 'm', base_url: upstream.url,
      options: { temperature: 0.5, max_tokens: 5 },
    });
    assert.deepEqual(api.refused, []);
    upstream.answers = { [user.apiKey]: refusing('temperature', 'stream_options') };
    upstream.answers['sk-second'] = upstream.answers[user.apiKey];
    assert.deepEqual(await said(user, names), [names, names.slice(1), ['max_tokens']]);
    await eventually(async () => (await refusedOf(user)).length === 2, 'it is stored');
    assert.deepEqual(await refusedOf(user), ['stream_options', 'temperature']);
    assert.deepEqual(await said(user, names), [['max_tokens']], 'the other key knows it too');
    await context.server.stop();
    await context.server.start();
    assert.deepEqual(await said(user, names), [['max_tokens']]);
    await user.ok('PUT', `/api/user/apis/${api.id}`, { api_name: 'mine' });
    assert.deepEqual(await refusedOf(user), []);
    upstream.answers = {};
    assert.deepEqual(await said(user, names), [names]);
  });

  test('that did not help is not kept', async () => {
    const user = await context.server.user();
    await user.ok('POST', '/api/user/apis', {
      api_name: 'mine', api_key: user.apiKey, model_name: 'm', base_url: upstream.url, options: { temperature: 0.5 },
    });
    const refusal = { status: 400, body: { error: { message: 'temperature: no', param: 'temperature' } } };
    upstream.answers = { [user.apiKey]: refusal };
    const answer = await user.post('/api/chat/message', { session_id: 'x', model_name: 'm', message: 'hi' });
    assert.equal(answer.status, 502, answer.text);
    assert.deepEqual(await refusedOf(user), []);
  });

  test('and is known to be refused is not sent at all', async () => {
    const user = await context.server.user();
    await user.ok('POST', '/api/user/apis', {
      api_name: 'mine', api_key: user.apiKey, model_name: 'm', base_url: upstream.url, provider: 'mistral',
    });
    assert.deepEqual(await said(user, ['stream', 'stream_options']), [['stream']]);
    upstream.asked = [];
    await user.ok('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'hi' }] });
    assert.equal(upstream.asked[0].json.stream_options, undefined);
  });
});
