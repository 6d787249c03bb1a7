// covers: http, app/settings, web
// Other sites' pages: only configured origins may read answers.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from './support/limits.mjs';
import { rawRequest } from './support/raw.mjs';
import { withServer } from './support/suite.mjs';

const LISTED = 'https://chat.example.org';
const UNLISTED = ['https://evil.example', 'https://chat.example.org.evil.example',
  'http://chat.example.org', 'https://chat.example.org:8443', 'null', 'app://localhost',
  'https://example.net', 'https://a.b.example.net', 'https://*.example.net'];
const EXPOSED = ['X-Request-Id', 'Retry-After', 'X-Script-Generation', 'Content-Disposition'];

const preflight = (server, origin, path = '/api/chat/session') =>
  rawRequest(server.port, 'OPTIONS', path, {
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization, content-type, x-more',
    },
  });

const list = (header) => (header ?? '').split(',').map((item) => item.trim());

describe('with configured origins', () => {
  const context = withServer({
    env: {
      TIDETALK_CORS_ORIGINS:
        `${LISTED}, http://localhost:3000, tauri://localhost, https://*.example.net`,
    },
  });

  const get = (origin, path = '/api/me', more = {}) =>
    rawRequest(context.server.port, 'GET', path, { headers: { Origin: origin }, ...more });

  test('a listed origin is echoed, with credentials', async () => {
    const { token } = await context.server.user();
    for (const origin of [LISTED, 'http://localhost:3000', 'tauri://localhost',
      'https://a.example.net']) {
      const { status, headers } = await get(origin, '/api/me', { token });
      assert.equal(status, 200);
      assert.equal(headers['access-control-allow-origin'], origin);
      assert.equal(headers['access-control-allow-credentials'], 'true');
      assert.ok(list(headers.vary).includes('Origin'));
      assert.deepEqual(list(headers['access-control-expose-headers']).sort(), [...EXPOSED].sort());
    }
  });

  test('errors can be read too', async () => {
    for (const path of ['/api/me', '/api/nowhere']) {
      const { headers } = await get(LISTED, path);
      assert.equal(headers['access-control-allow-origin'], LISTED, path);
    }
  });

  test('no other origin is echoed, and there is no star', async () => {
    const { token } = await context.server.user();
    for (const origin of UNLISTED) {
      for (const { headers } of [await get(origin, '/api/me', { token }),
        await preflight(context.server, origin)]) {
        assert.equal(headers['access-control-allow-origin'], undefined, origin);
        assert.equal(headers['access-control-allow-credentials'], undefined, origin);
        assert.ok(list(headers.vary).includes('Origin'), 'caches must not mix origins');
      }
    }
  });

  test('a preflight is 204 and allows what it asks for', async () => {
    const { status, headers, body } = await preflight(context.server, LISTED);
    assert.equal(status, 204);
    assert.equal(body, '');
    assert.equal(headers['access-control-allow-origin'], LISTED);
    assert.ok(list(headers['access-control-allow-methods']).includes('POST'));
    assert.deepEqual(list(headers['access-control-allow-headers']),
      ['authorization', 'content-type', 'x-more']);
    assert.equal(headers['access-control-max-age'], '600');
    assert.ok(headers['x-request-id']);
  });

  test('a listed origin may use the cookie', async () => {
    const { token } = await context.server.user();
    const post = (origin) => rawRequest(context.server.port, 'POST', '/api/chat/session', {
      headers: { Cookie: `access_token=${token}`, Origin: origin, 'Sec-Fetch-Site': 'cross-site' },
      body: { model_name: 'demo' },
    });
    assert.equal((await post(LISTED)).status, 200);
    for (const origin of UNLISTED) assert.equal((await post(origin)).status, 403, origin);
  });

  test('streams carry the headers too', async () => {
    const { token } = await context.server.user();
    const answer = await rawRequest(context.server.port, 'POST', '/api/chat/message/stream', {
      token, headers: { Origin: LISTED },
      body: { session_id: 'cors', model_name: 'demo', message: 'hi' },
    });
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.headers['access-control-allow-origin'], LISTED);
  });
});

describe('without configured origins', () => {
  const context = withServer();

  test('nobody is let in', async () => {
    const { headers } = await preflight(context.server, LISTED);
    assert.equal(headers['access-control-allow-origin'], undefined);
  });
});
