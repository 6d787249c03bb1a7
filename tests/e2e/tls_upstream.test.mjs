// covers: upstream, app/settings
// Upstreams behind TLS: a key goes to nobody who cannot show a certificate for the name that was
// asked for, from an authority that is trusted, valid today.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { ask } from './support/door.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { startServer } from './support/server.mjs';
import { assertError } from './support/suite.mjs';
import { Authority, startTlsProxy } from './support/tls.mjs';

const ALLOWED = { TIDETALK_OUTBOUND_ALLOW: '127.0.0.0/8,localhost' };
const HERE = 'DNS:localhost,IP:127.0.0.1';

describe('an upstream behind TLS', () => {
  let authority; let stranger; let mock; let server;
  const proxies = [];
  const behind = async (identity) => {
    proxies.push(await startTlsProxy(identity, mock.origin));
    return proxies.at(-1);
  };

  before(async () => {
    [authority, stranger, mock] = await Promise.all([Authority.make(), Authority.make(), startMock()]);
    server = await startServer({ env: { ...ALLOWED, TIDETALK_UPSTREAM_CA_FILE: authority.file } });
  }, { timeout: HANG_MS });
  after(async () => {
    proxies.forEach((proxy) => proxy.stop());
    await server?.stop();
    server?.home.remove();
    await mock?.stop();
    authority?.remove();
    stranger?.remove();
  }, { timeout: HANG_MS });

  /** Everything that sends the key: chat, both forms of the OpenAI door, embeddings. */
  const ways = (model) => [
    ['/api/chat/message', { session_id: uniqueName(), model_name: model, message: 'hi' }],
    ['/v1/chat/completions', { model, messages: ask('hi') }],
    ['/v1/chat/completions', { model, messages: ask('hi'), stream: true }],
    ['/v1/embeddings', { model, input: 'hi' }],
  ];

  async function refuses(proxy, host) {
    const user = await server.user(); // of its own, for the breaker's sake
    const model = await user.model(proxy.url(host));
    for (const [path, body] of ways(model)) {
      const before = proxy.greeted;
      const answer = await user.post(path, body);
      assert.equal(answer.status, 502, `${path}: ${answer.text}`);
      const code = answer.body.code ?? answer.body.error.code;
      assert.equal(code, path === '/v1/embeddings' ? 'outbound_failed' : 'upstream_tls_failed', answer.text);
      assert.ok(proxy.greeted > before, `${path}: the server was reached`);
    }
    const { api } = await user.ok('GET', '/api/user/apis/first');
    const tried = await user.ok('POST', `/api/user/apis/${api.id}/test`, {});
    assert.deepEqual([tried.ok, tried.code], [false, 'upstream_tls_failed']);
    assert.deepEqual(proxy.heads, [], 'no request came, so no key');
  }

  test('is asked when its certificate is right, by name and by address', async () => {
    const proxy = await behind(await authority.issue('right', HERE));
    for (const host of ['localhost', '127.0.0.1']) {
      const user = await server.user();
      const model = await user.model(proxy.url(host));
      assert.ok((await user.say(model, uniqueName(), 'hi')).response.startsWith('tok0'));
      for (const [path, body] of ways(model)) {
        proxy.heads.length = 0;
        const answer = await user.post(path, body);
        assert.equal(answer.status, 200, `${path}: ${answer.text}`);
        assert.deepEqual(proxy.heads.map((head) => head.authorization), [`Bearer ${user.apiKey}`], path);
      }
    }
  });

  test('gets no key when it signed its certificate itself', async () => {
    await refuses(await behind(await authority.selfSign('self', HERE)), 'localhost');
  });

  test('gets no key when its certificate is of an authority that nobody trusts', async () => {
    await refuses(await behind(await stranger.issue('stranger', HERE)), 'localhost');
  });

  test('gets no key when its certificate is for another name', async () => {
    await refuses(await behind(await authority.issue('other-name', 'DNS:other.example')), 'localhost');
    await refuses(await behind(await authority.issue('name-only', 'DNS:localhost')), '127.0.0.1');
    await refuses(await behind(await authority.issue('address-only', 'IP:127.0.0.1')), 'localhost');
  });

  test('gets no key when it signed a certificate for another name itself', async () => {
    await refuses(await behind(await authority.selfSign('self-other', 'DNS:other.example')), 'localhost');
  });

  test('gets no key when its certificate has expired, or is not valid yet', async () => {
    await refuses(await behind(await authority.issue('expired', HERE, { from: -20, to: -1 })), 'localhost');
    await refuses(await behind(await authority.issue('future', HERE, { from: 5, to: 30 })), 'localhost');
  });

  test('gets no key when only a file of its own would make it trusted', async () => {
    const proxy = await behind(await authority.issue('untold', HERE));
    const system = await startServer({ env: ALLOWED }); // the system's authorities
    try {
      const user = await system.user();
      const model = await user.model(proxy.url('localhost'));
      assertError(await user.post('/api/chat/message', { session_id: uniqueName(), model_name: model, message: 'hi' }),
        502, 'upstream_tls_failed');
      assert.deepEqual(proxy.heads, []);
    } finally {
      await system.stop();
      system.home.remove();
    }
  });
});
