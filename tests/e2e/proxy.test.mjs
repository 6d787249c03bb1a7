// covers: upstream, app/settings
// Calls to upstreams through the operator's proxy: it resolves the names, so these are judged before.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { startHttpProxy, startSocksProxy } from './support/proxies.mjs';
import { startServer } from './support/server.mjs';
import { assertError } from './support/suite.mjs';
import { Authority, startTlsProxy } from './support/tls.mjs';

const HOST = 'upstream.test.example';
const URL_THERE = `https://${HOST}/v1`;
const WRONG = 'some:secret';

for (const [name, startProxy, credentials] of [
  ['an HTTP proxy', startHttpProxy, undefined], ['an HTTP proxy with a password', startHttpProxy, 'some:secret'],
  ['a SOCKS proxy', startSocksProxy, undefined], ['a SOCKS proxy with a password', startSocksProxy, 'some:secret'],
]) {
  describe(`through ${name}`, () => {
    let authority; let mock; let upstream; let proxy; let server;
    before(async () => {
      [authority, mock] = await Promise.all([Authority.make(), startMock()]);
      upstream = await startTlsProxy(await authority.issue('there', `DNS:${HOST}`), mock.origin);
      proxy = await startProxy({ credentials });
      proxy.hosts[`${HOST}:443`] = Number(new URL(upstream.url('x')).port);
      server = await startServer({ env: {
        TIDETALK_OUTBOUND_ALLOW: '127.0.0.1', TIDETALK_UPSTREAM_CA_FILE: authority.file,
        TIDETALK_UPSTREAM_PROXY: proxy.url, no_proxy: HOST, NO_PROXY: HOST,
        TIDETALK_UPSTREAM_RETRIES: '0',
      } });
    }, { timeout: HANG_MS });
    after(async () => {
      await server?.stop();
      server?.home.remove();
      await proxy?.stop();
      upstream?.stop();
      await mock?.stop();
      authority?.remove();
    }, { timeout: HANG_MS });

    const say = async (user, model) => user.post('/api/chat/message', {
      session_id: uniqueName('proxy'), model_name: model, message: 'hi',
    });

    test('the name goes to the proxy, TLS to the upstream', async () => {
      proxy.asked.length = 0;
      const user = await server.user();
      const model = await user.model(URL_THERE);
      const answer = await say(user, model);
      assert.equal(answer.status, 200, answer.text);
      assert.match(answer.body.response, /^tok0/);
      assert.deepEqual(proxy.asked, [`${HOST}:443`]);
      assert.equal(upstream.heads.at(-1).authorization, `Bearer ${user.apiKey}`);
      assert.equal(upstream.heads.at(-1)['proxy-authorization'], undefined);
      await user.ok('POST', '/v1/embeddings', { model, input: 'hi' });
      assert.deepEqual(new Set(proxy.asked), new Set([`${HOST}:443`]));
      assert.deepEqual(proxy.plain ?? [], []);
    });

    test('what is allowed here goes without it', async () => {
      proxy.asked.length = 0;
      const user = await server.user();
      const answer = await say(user, await user.model(mock.url('tokens=1')));
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(proxy.asked, []);
    });

    test('names of metadata services, inner addresses and bare names never come to it', async () => {
      proxy.asked.length = 0;
      const user = await server.user();
      for (const url of ['https://metadata.google.internal/v1', 'https://169.254.169.254/v1', 'https://10.0.0.1/v1',
        'https://[fd00:ec2::254]/v1', 'https://[::ffff:169.254.169.254]/v1', 'https://instance-data/v1',
        'https://localhost/v1', 'https://2852039166/v1', 'https://0xa9fea9fe/v1', 'https://metadata.azure.internal/v1',
        'https://metadata.google.internal./v1', 'http://upstream.test.example/v1']) {
        const answer = await user.post('/api/user/apis', {
          api_name: url, api_key: 'sk-1', model_name: 'm', base_url: url,
        });
        assert.ok([400, 422].includes(answer.status), `${url}: ${answer.text}`);
      }
      const model = await user.model('https://gpuserver/v1');
      assertError(await say(user, model), 422, 'address_not_allowed');
      assert.deepEqual(proxy.asked, []);
    });

    test('a refusal is the proxy\'s, and says so', async () => {
      const user = await server.user();
      const model = await user.model('https://unknown.test.example/v1');
      const answer = await say(user, model);
      assertError(answer, 502, 'upstream_proxy_failed');
      assert.ok(!answer.text.includes('secret'));
    });
  });
}

describe('a proxy', () => {
  test('that is not there, or wants another password, is told', async () => {
    const proxy = await startHttpProxy({ credentials: 'some:other' });
    for (const url of [proxy.url.replace('some:other', WRONG), 'http://127.0.0.1:9', 'socks5h://nowhere.invalid:1080']) {
      const server = await startServer({ env: { TIDETALK_UPSTREAM_PROXY: url, TIDETALK_UPSTREAM_RETRIES: '0' } });
      try {
        const user = await server.user();
        const answer = await user.post('/api/chat/message', {
          session_id: 's', model_name: await user.model(URL_THERE), message: 'hi',
        });
        assertError(answer, 502, 'upstream_proxy_failed');
      } finally {
        await server.stop();
        server.home.remove();
      }
    }
    await proxy.stop();
  });
});
