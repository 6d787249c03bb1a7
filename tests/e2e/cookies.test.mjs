// covers: account, web, http
// The cookie beside the token: its attributes, and what another site may not make a browser do.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { PASSWORD, uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { rawRequest } from './support/raw.mjs';
import { assertError, withServer } from './support/suite.mjs';

/** A Set-Cookie header: {value, attributes in lower case}. */
function parseCookie(header) {
  assert.equal(typeof header, 'string', 'exactly one cookie');
  const [pair, ...attributes] = header.split(';').map((part) => part.trim());
  const [name, value] = pair.split('=');
  assert.equal(name, 'access_token');
  return { value, attributes: attributes.map((attribute) => attribute.toLowerCase()) };
}

async function register(server, headers = {}) {
  const body = { username: uniqueName(), password: PASSWORD };
  const answer = await rawRequest(server.port, 'POST', '/api/register', { body, headers });
  assert.equal(answer.status, 200, answer.body);
  return { ...parseCookie(answer.headers['set-cookie']), ...JSON.parse(answer.body), credentials: body };
}

describe('the cookie', () => {
  const context = withServer();

  test('register and log in set it, readable by no script', async () => {
    const { value, token, attributes, credentials } = await register(context.server);
    assert.equal(value, token);
    for (const wanted of ['httponly', 'samesite=lax', 'path=/']) {
      assert.ok(attributes.includes(wanted), `${wanted} in ${attributes}`);
    }
    assert.ok(!attributes.includes('secure'), 'plain http');
    const login = await rawRequest(context.server.port, 'POST', '/api/login', { body: credentials });
    assert.equal(parseCookie(login.headers['set-cookie']).value, JSON.parse(login.body).token);
  });

  test('logs in where no Authorization header is', async () => {
    const { value, user } = await register(context.server);
    const get = (headers) => rawRequest(context.server.port, 'GET', '/api/profile', { headers });
    const cookie = `theme=dark; access_token=${value}; x=y`;
    assert.deepEqual(JSON.parse((await get({ Cookie: cookie })).body), user);
    const both = await get({ Cookie: cookie, Authorization: 'Bearer nonsense' });
    assert.equal(both.status, 401);
  });

  test('a change of the password leaves it as it is', async () => {
    const { value, credentials } = await register(context.server);
    const login = await rawRequest(context.server.port, 'POST', '/api/login', { body: credentials });
    const other = parseCookie(login.headers['set-cookie']).value;
    const changed = await rawRequest(context.server.port, 'POST', '/api/update-password', {
      headers: { Cookie: `access_token=${value}` },
      body: { old_password: PASSWORD, new_password: 'spring-tide' },
    });
    assert.equal(changed.status, 200, changed.body);
    const told = parseCookie(changed.headers['set-cookie']);
    assert.equal(told.value, value);
    const age = told.attributes.find((attribute) => attribute.startsWith('max-age='));
    assert.ok(Number(age.split('=')[1]) > 0, age);
    const status = async (cookie) => (await rawRequest(context.server.port, 'GET', '/api/profile', {
      headers: { Cookie: `access_token=${cookie}` },
    })).status;
    assert.equal(await status(value), 200);
    assert.equal(await status(other), 401);
  });

  test('log out clears it and ends the token', async () => {
    const { value } = await register(context.server);
    const headers = { Cookie: `access_token=${value}` };
    const out = await rawRequest(context.server.port, 'POST', '/api/logout', { headers, body: {} });
    assert.equal(out.status, 200, out.body);
    const cleared = parseCookie(out.headers['set-cookie']);
    assert.equal(cleared.value, '');
    assert.ok(cleared.attributes.includes('max-age=0'));
    const after = await rawRequest(context.server.port, 'GET', '/api/profile', { headers });
    assert.equal(after.status, 401);
  });
});

describe('requests that another site causes', () => {
  const context = withServer();

  const post = (server, value, headers) => rawRequest(server.port, 'POST', '/api/chat/session', {
    headers: { Cookie: `access_token=${value}`, ...headers }, body: { model_name: 'demo' },
  });

  test('are refused under the cookie', async () => {
    const { value } = await register(context.server);
    for (const headers of [
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
    ]) {
      const answer = await post(context.server, value, headers);
      assertError(answer, 403, 'csrf');
      assert.match(JSON.parse(answer.body).error, /http:\/\/localhost.*public_url/);
    }
  });

  test('our own page and clients that are no browsers pass', async () => {
    const { value } = await register(context.server);
    const host = `127.0.0.1:${context.server.port}`;
    for (const headers of [
      {},
      { 'Sec-Fetch-Site': 'same-origin' },
      { Host: host, Origin: `http://${host}` },
      // a proxy that rewrites Host
      { Host: host, Origin: 'https://chat.example.org', 'Sec-Fetch-Site': 'same-origin' },
    ]) {
      const answer = await post(context.server, value, headers);
      assert.equal(answer.status, 200, `${JSON.stringify(headers)}: ${answer.body}`);
    }
  });

  test('reading, and a token in the header, are not touched', async () => {
    const { value, token } = await register(context.server);
    const headers = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' };
    const read = await rawRequest(context.server.port, 'GET', '/api/profile', {
      headers: { ...headers, Cookie: `access_token=${value}` },
    });
    assert.equal(read.status, 200);
    const made = await rawRequest(context.server.port, 'POST', '/api/chat/session', {
      token, headers, body: { model_name: 'demo' },
    });
    assert.equal(made.status, 200, made.body);
  });
});

describe('behind TLS', () => {
  const context = withServer({ env: { TIDETALK_PUBLIC_URL: 'https://chat.example.org' } });

  test('the cookie is Secure and the public address is our own site', async () => {
    const { value, attributes } = await register(context.server);
    assert.ok(attributes.includes('secure'), String(attributes));
    const post = (origin) => rawRequest(context.server.port, 'POST', '/api/chat/session', {
      headers: { Cookie: `access_token=${value}`, Origin: origin }, body: { model_name: 'demo' },
    });
    assert.equal((await post('https://chat.example.org')).status, 200);
    assertError(await post('http://chat.example.org'), 403, 'csrf');
  });
});

describe('behind a proxy', () => {
  const context = withServer({ env: { TIDETALK_TRUSTED_PROXIES: '127.0.0.1/32' } });

  test('only a trusted one decides about Secure', async () => {
    const { attributes } = await register(context.server, { 'X-Forwarded-Proto': 'https' });
    assert.ok(attributes.includes('secure'), String(attributes));
  });
});
