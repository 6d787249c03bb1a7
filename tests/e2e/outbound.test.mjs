// sqlite
// covers: upstream, models, tide
// Addresses that users give, and the keys that are sent there.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const FIELDS = { api_name: 'mine', api_key: 'sk-abcdefghijklmnop', model_name: 'gpt-x' };

// One address in many clothes.
const INNER = [
  'http://127.0.0.1:8080/v1', 'https://127.0.0.1/v1', 'http://127.1/v1', 'http://2130706433/v1',
  'http://0x7f000001/v1', 'http://0177.0.0.1/v1', 'http://[::1]/v1', 'http://[::ffff:127.0.0.1]/v1',
  'http://0.0.0.0/v1', 'http://10.1.2.3/v1', 'http://172.16.0.1/v1', 'https://192.168.1.1/v1',
  'http://169.254.1.1/v1', 'http://100.64.0.1/v1', 'https://[fe80::1]/v1', 'https://[fd00::1]/v1',
  'https://224.0.0.1/v1', 'https://user:pass@127.0.0.1/v1',
];
const METADATA = ['http://169.254.169.254/latest', 'http://[fd00:ec2::254]/latest'];

describe('without allowed addresses', () => {
  const context = withServer();

  test('inner addresses and plain http are refused when they are configured', async () => {
    const user = await context.server.user();
    for (const url of [...INNER, ...METADATA, 'http://8.8.8.8/v1', 'http://api.example.com/v1']) {
      const answer = await user.post('/api/user/apis', { ...FIELDS, base_url: url });
      assert.ok([400, 422].includes(answer.status), `${url}: ${answer.text}`);
      assert.ok(['address_not_allowed', 'invalid_url'].includes(answer.body.code), answer.body.code);
    }
    assert.equal((await user.ok('GET', '/api/user/apis')).count, 0);
  });

  test('the plain case is 422 address_not_allowed, also when it is changed later', async () => {
    const user = await context.server.user();
    const inner = { base_url: 'http://127.0.0.1:8080/v1' };
    assertError(await user.post('/api/user/apis', { ...FIELDS, ...inner }), 422, 'address_not_allowed');
    const { api } = await user.ok('POST', '/api/user/apis', { ...FIELDS, base_url: 'https://api.example.com/v1' });
    assertError(await user.put(`/api/user/apis/${api.id}`, inner), 422, 'address_not_allowed');
    const kept = await user.ok('GET', '/api/user/apis/mine');
    assert.equal(kept.api.base_url, 'https://api.example.com/v1');
  });

  test('an address for one request is refused as well, and nothing is stored', async () => {
    const user = await context.server.user();
    await user.ok('POST', '/api/user/apis', { ...FIELDS, base_url: '' });
    for (const field of ['BaseUrl', 'base_url', 'baseUrl']) {
      for (const path of ['/api/chat/message', '/api/chat/message/stream', '/api/chat/session']) {
        const answer = await user.post(path, {
          session_id: 'refused', model_name: 'gpt-x', message: 'hi', [field]: 'http://127.0.0.1:9/v1',
        });
        assertError(answer, 422, 'address_not_allowed');
      }
    }
    assert.deepEqual((await user.ok('GET', '/api/chat/sessions')).data, []);
  });
});

describe('with 127.0.0.0/8 allowed', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('this network is open, the others stay closed', async () => {
    const { server, mock } = context;
    const user = await server.user();
    const model = await user.model(mock.url('echo=1'));
    assert.equal((await user.say(model, 'open', 'ahoy')).response, 'ahoy');
    for (const url of ['http://10.1.2.3/v1', 'http://[::1]/v1', 'https://192.168.1.1/v1', ...METADATA]) {
      assertError(await user.post('/api/user/apis', { ...FIELDS, base_url: url }), 422, 'address_not_allowed');
    }
  });
});

describe('with link-local and local addresses allowed', () => {
  const context = withServer({ env: { TIDETALK_OUTBOUND_ALLOW: '169.254.0.0/16,fd00::/8' } });

  test('the metadata service stays closed', async () => {
    const user = await context.server.user();
    for (const url of METADATA) {
      assertError(await user.post('/api/user/apis', { ...FIELDS, base_url: url }), 422, 'address_not_allowed');
    }
    await user.ok('POST', '/api/user/apis', { ...FIELDS, base_url: 'http://[fd12::7]/v1' });
  });
});

describe('keys', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LOG_LEVEL: 'debug' }, mock: true });
  const KEY = 'sk-Zk3v8QmN1xY7-secret-wR5tB9';

  test('go to the upstream and nowhere else', async () => {
    const { server, mock } = context;
    const user = await server.user();
    const answers = [];
    const send = async (method, path, body) => answers.push((await user.request(method, path, body)).text);
    const api = { api_name: 'secret', api_key: KEY, model_name: 'm', base_url: mock.url() };
    await send('POST', '/api/user/apis', api);
    await send('POST', '/api/user/apis', api); // 409
    await send('POST', '/api/user/apis', { ...api, api_name: 'first' });
    for (const path of ['/api/user/apis', '/api/user/apis/secret', '/api/user/apis/first', '/api/models']) {
      await send('GET', path);
    }
    const { api: { id } } = await user.ok('GET', '/api/user/apis/secret');
    await send('PUT', `/api/user/apis/${id}`, { api_name: 'renamed', api_key: KEY });
    for (const scenario of ['', 'status=401', 'status=500', 'fault=garbage', 'fault=error_mid']) {
      for (const path of ['/api/chat/message', '/api/chat/message/stream']) {
        await send('POST', path, {
          session_id: 'keys', model_name: 'm', message: 'hi', BaseUrl: mock.url(scenario),
        });
      }
    }
    const seen = await mock.requests();
    assert.ok(seen.length >= 8);
    for (const request of seen) assert.equal(request.headers.authorization, `Bearer ${KEY}`);
    for (const text of answers) assert.ok(!text.includes(KEY), text);
    assert.ok(!server.log().includes(KEY), 'not in the log');
    const files = readdirSync(server.home.dataDir).map((name) => join(server.home.dataDir, name))
      .filter((file) => statSync(file).isFile());
    assert.ok(files.some((file) => file.endsWith('.db')));
    for (const file of files) {
      const bytes = readFileSync(file);
      assert.ok(!bytes.includes(KEY), `not in ${file}`);
      assert.ok(!bytes.includes(user.password), `no password in ${file}`);
    }
  });

  test('a mask that a page sends back keeps the key', async () => {
    const { server, mock } = context;
    const user = await server.user();
    const model = await user.model(mock.url(), { api_name: 'x', api_key: KEY });
    const { api } = await user.ok('GET', '/api/user/apis/x');
    await user.ok('PUT', `/api/user/apis/${api.id}`, { ...api, model_name: 'renamed' });
    await mock.reset();
    await user.say('renamed', 'mask', 'hi');
    assert.equal((await mock.requests(1))[0].headers.authorization, `Bearer ${KEY}`);
    assertError(await user.post('/api/chat/message', { session_id: 'mask', model_name: model, message: 'hi' }),
      422, 'no_api_for_model');
  });

  test('of a user go only where this user sends them', async () => {
    const { server, mock } = context;
    const owner = await server.user();
    await owner.model(mock.url(), { api_name: 'o', api_key: KEY, model_name: 'shared' });
    const stranger = await server.user();
    const answer = await stranger.post('/api/chat/message', {
      session_id: 'theft', model_name: 'shared', message: 'hi', BaseUrl: mock.url(),
    });
    assertError(answer, 422, 'no_api_for_model');
  });
});

describe('the connection test', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const check = async (baseUrl) => {
    const user = await context.server.user();
    await user.model(baseUrl, { api_name: 'tested', model_name: 'tested-model' });
    const { api } = await user.ok('GET', '/api/user/apis/tested');
    return user.post(`/api/user/apis/${api.id}/test`, {});
  };

  test('asks for one token and measures', async () => {
    const { status, body } = await check(context.mock.url('tokens=1'));
    assert.equal(status, 200);
    assert.equal(body.ok, true);
    assert.equal(body.status, 200);
    assert.equal(typeof body.latency_ms, 'number');
    assert.equal(typeof body.ttft_ms, 'number');
    const [{ json }] = await context.mock.requests(1);
    assert.deepEqual([json.model, json.max_tokens], ['tested-model', 1]);
  });

  test('tells what is wrong, and what the provider says apart from it', async () => {
    for (const [scenario, upstream] of [['status=401', 401], ['status=500', 500], ['fault=html,status=404', 404],
      ['fault=reset', 0], ['fault=garbage', 0]]) {
      const { status, text, body } = await check(context.mock.url(scenario));
      assert.equal(status, 200, text);
      assert.equal(body.ok, false, scenario);
      assert.equal(body.status, upstream, scenario);
      const { detail, ...rest } = body;
      assert.doesNotMatch(JSON.stringify(rest), /mock|<html/);
      assert.doesNotMatch(detail ?? '', /<html/);
    }
  });

  test('leaves no session behind', async () => {
    const user = await context.server.user();
    await user.model(context.mock.url('tokens=1'));
    const { api } = await user.ok('GET', '/api/user/apis/first');
    await user.ok('POST', `/api/user/apis/${api.id}/test`, {});
    assert.deepEqual((await user.ok('GET', '/api/chat/sessions')).data, []);
  });
});
