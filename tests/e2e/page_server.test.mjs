// How the page's files are served: their forms, validators, parts, what unknown paths get, and all of
// it below a path. What the page does is not of interest here.
// covers: app/page, http, serve
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { PASSWORD, uniqueName } from './support/client.mjs';
import { test, within } from './support/limits.mjs';
import { ROOT } from './support/process.mjs';
import { RawConnection, rawRequest } from './support/raw.mjs';
import { assertError, withServer } from './support/suite.mjs';

const DIST = join(ROOT, 'web/dist');
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const TYPES = {
  html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml', txt: 'text/plain; charset=utf-8',
};
const DECODERS = { gzip: gunzipSync, br: brotliDecompressSync };

const fileBytes = (name) => readFileSync(join(DIST, name));
const assets = readdirSync(join(DIST, 'assets')).map((name) => `assets/${name}`);
const script = assets.find((name) => name.endsWith('.js'));

/** One request, answered in bytes as they came: {status, headers, body}. */
function ask(server, path, headers = {}, method = 'GET') {
  return within(new Promise((resolve, reject) => {
    request({ port: server.port, host: '127.0.0.1', path, method, headers, agent: false }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('error', reject);
      answer.on('end', () => resolve({
        status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces),
      }));
    }).on('error', reject).end();
  }), `${method} ${path}`);
}

const decoded = ({ headers, body }) => (DECODERS[headers['content-encoding']] ?? ((bytes) => bytes))(body);

describe('the page', () => {
  const context = withServer();
  const get = (path, headers, method) => ask(context.server, path, headers, method);

  test('is at / for everybody, checked again each time', async () => {
    for (const accept of [BROWSER, 'application/json', '*/*', undefined]) {
      const answer = await get('/', accept ? { Accept: accept } : {});
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body, fileBytes('index.html'));
      assert.equal(answer.headers['content-type'], TYPES.html);
      assert.equal(answer.headers['cache-control'], 'no-cache');
      assert.equal(answer.headers.vary, 'Accept-Encoding');
      assert.match(answer.headers.etag, /^"[0-9a-f]{32}"$/);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.equal(answer.headers['referrer-policy'], 'no-referrer');
      assert.match(answer.headers['x-request-id'], /^[0-9a-f]{16}$/);
      assert.equal(answer.headers['x-script-generation'], undefined, 'no script had a say');
    }
  });

  test('may load what is its own and make no HTML of text', async () => {
    const policy = (await get('/')).headers['content-security-policy'].split('; ');
    assert.deepEqual(policy, [
      "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
      "connect-src 'self'", "font-src 'self'", "frame-src 'self'", "base-uri 'none'", "form-action 'self'",
      "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
    ]);
  });

  test('has one document that may load images from elsewhere, and nothing else', async () => {
    const name = assets.find((asset) => /^assets\/image_frame-\w+\.html$/.test(asset));
    const { headers } = await get(`/${name}`);
    assert.deepEqual(headers['content-security-policy'].split('; '), [
      "default-src 'none'", "script-src 'self'", 'img-src https:', "base-uri 'none'", "form-action 'none'",
      "frame-ancestors 'self'", 'sandbox allow-scripts', "require-trusted-types-for 'script'", "trusted-types 'none'",
    ]);
    assert.equal(headers['referrer-policy'], 'no-referrer');
  });

  test('has assets that are good for ever', async () => {
    for (const name of assets) {
      const answer = await get(`/${name}`);
      assert.equal(answer.status, 200, name);
      assert.deepEqual(answer.body, fileBytes(name));
      assert.equal(answer.headers['content-type'], TYPES[name.split('.').pop()], name);
      assert.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
      assert.equal(answer.headers['accept-ranges'], 'bytes');
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    }
  });

  test('names only assets that there are', async () => {
    const names = [...fileBytes('index.html').toString().matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name);
    assert.ok(names.length > 0);
    for (const name of names) assert.ok(assets.includes(name), name);
  });

  test('comes in the form that the client likes best', async () => {
    for (const path of ['', ...assets]) {
      const plain = await get(`/${path}`);
      const tags = new Set();
      for (const [accepted, encodings] of [
        ['gzip, deflate, br, zstd', ['br', undefined]],
        ['br;q=0.5, gzip;q=0.8', ['gzip', undefined]],
        ['gzip', ['gzip', undefined]],
        ['br;q=0, *', ['gzip', undefined]],
        ['identity', [undefined]],
        ['*;q=0', [undefined]], // an answer that it may not like beats none
      ]) {
        const answer = await get(`/${path}`, { 'Accept-Encoding': accepted });
        const { 'content-encoding': encoding } = answer.headers;
        assert.equal(answer.status, 200);
        assert.ok(encodings.includes(encoding), `${path} ${accepted}: ${encoding}`);
        assert.deepEqual(decoded(answer), plain.body);
        assert.equal(Number(answer.headers['content-length']), answer.body.length);
        assert.equal(answer.headers.vary, 'Accept-Encoding');
        if (encoding) assert.ok(answer.body.length < plain.body.length);
        tags.add(`${encoding} ${answer.headers.etag}`);
      }
      assert.equal(new Set([...tags].map((tag) => tag.split(' ')[1])).size, tags.size, 'a tag for each form');
    }
    const { headers } = await get(`/${script}`, { 'Accept-Encoding': 'gzip, br' });
    assert.equal(headers['content-encoding'], 'br');
  });

  test('is not sent again to who has it', async () => {
    for (const path of ['/', `/${script}`]) {
      for (const accepted of ['identity', 'gzip', 'br']) {
        const headers = { 'Accept-Encoding': accepted };
        const first = await get(path, headers);
        const { etag } = first.headers;
        for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
          const again = await get(path, { ...headers, 'If-None-Match': tags });
          assert.equal(again.status, 304, tags);
          assert.equal(again.body.length, 0);
          for (const name of ['etag', 'cache-control', 'vary']) {
            assert.equal(again.headers[name], first.headers[name]);
          }
        }
        const other = await get(path, { ...headers, 'If-None-Match': '"other"' });
        assert.equal(other.status, 200);
        assert.deepEqual(other.body, first.body);
      }
    }
    const { etag } = (await get('/', { 'Accept-Encoding': 'br' })).headers;
    assert.equal((await get('/', { 'If-None-Match': etag })).status, 200, 'another form');
  });

  test('tells HEAD what GET would get', async () => {
    for (const path of ['/', `/${script}`]) {
      for (const headers of [{}, { 'Accept-Encoding': 'br' }, { Range: 'bytes=0-1' }]) {
        const whole = await get(path, { ...headers, Range: 'none' });
        const head = await get(path, headers, 'HEAD');
        assert.equal(head.status, 200);
        assert.equal(head.body.length, 0);
        for (const name of ['content-length', 'content-type', 'etag', 'content-encoding', 'cache-control']) {
          assert.equal(head.headers[name], whole.headers[name], name);
        }
      }
      const { etag } = (await get(path)).headers;
      assert.equal((await get(path, { 'If-None-Match': etag }, 'HEAD')).status, 304);
    }
  });

  test('gives parts of an asset', async () => {
    const whole = fileBytes(script);
    const { length } = whole;
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1], ['bytes=5-9', 5, 10], [`bytes=${length - 3}-`, length - 3, length],
      ['bytes=-4', length - 4, length], [`bytes=1-${length + 100}`, 1, length],
    ]) {
      const part = await get(`/${script}`, { Range: range });
      assert.equal(part.status, 206, range);
      assert.deepEqual(part.body, whole.subarray(from, to));
      assert.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${length}`);
      assert.equal(part.headers['content-type'], TYPES.js);
    }
    for (const range of [`bytes=${length}-`, 'bytes=-0']) {
      const refused = await get(`/${script}`, { Range: range });
      assert.equal(refused.status, 416);
      assert.equal(refused.headers['content-range'], `bytes */${length}`);
    }
    for (const headers of [
      { Range: 'bytes=5-4' }, { Range: 'lines=1-2' }, { Range: 'bytes=0-1,4-5' },
      { Range: 'bytes=0-1', 'Accept-Encoding': 'br' }, { Range: 'bytes=0-1', 'If-Range': '"older"' },
      { Range: 'bytes=0-1', 'If-Range': 'Tue, 01 Jan 2030 00:00:00 GMT' },
    ]) {
      const answer = await get(`/${script}`, headers);
      assert.equal(answer.status, 200, JSON.stringify(headers));
      assert.deepEqual(decoded(answer), whole);
    }
    const { etag } = (await get(`/${script}`)).headers;
    assert.equal((await get(`/${script}`, { Range: 'bytes=0-1', 'If-Range': etag })).status, 206);
    assert.equal((await get('/', { Range: 'bytes=0-1' })).status, 200, 'the page is whole');
  });

  test('answers one after the other on a connection, and takes a body that nobody asked for', async () => {
    const connection = new RawConnection(context.server.port);
    for (const headers of [{}, { 'Content-Length': 5 }]) {
      connection.request('GET', '/', { headers }).send('Content-Length' in headers ? 'extra' : '');
    }
    connection.request('HEAD', `/${script}`).request('GET', '/livez', { headers: { Connection: 'close' } });
    await within(connection.closed, 'all are answered');
    assert.equal(connection.received.split('HTTP/1.1 200 OK').length - 1, 4);
    assert.equal(connection.received.split('<div id="page">').length - 1, 2);
    assert.ok(connection.received.endsWith('{"status":"ok"}\n'));
  });

  test('is only to be read', async () => {
    for (const path of ['/', `/${script}`]) {
      const refused = await rawRequest(context.server.port, 'POST', path, { body: {} });
      assertError(refused, 405, 'method_not_allowed');
      assert.equal(refused.headers.allow, 'GET, HEAD, OPTIONS');
      assert.equal((await rawRequest(context.server.port, 'OPTIONS', path)).status, 204);
    }
  });
});

describe('an unknown path', () => {
  const context = withServer();
  const get = (path, headers, method) => ask(context.server, path, headers, method);

  test('has a page of its own for people', async () => {
    for (const path of ['/nowhere', '/a/b/c', '/index.html', '/404.html', '/assets', '/assets/none.js',
      `/${script}/`, '/assets/..%2fapp.lua', '/apis', '/v10', '//', '/favicon.ico?x=1']) {
      const answer = await get(path, { Accept: BROWSER, 'Accept-Encoding': 'gzip, br' });
      assert.equal(answer.status, 404, path);
      assert.equal(answer.headers['content-type'], TYPES.html);
      assert.match(answer.headers['content-security-policy'], /default-src 'none'/);
      assert.equal(answer.headers['cache-control'], 'no-cache');
      assert.equal(answer.headers.vary, 'Accept');
      const html = answer.body.toString();
      assert.ok(!html.includes('{base}'));
      for (const [, name] of html.matchAll(/(?:src|href)="\/([^"]*)"/g)) {
        assert.ok(name === '' || assets.includes(name), `${name} exists`);
      }
    }
    const head = await get('/nowhere', { Accept: BROWSER }, 'HEAD');
    assert.equal(head.status, 404);
    assert.equal(head.headers['content-type'], TYPES.html);
    assert.equal(head.body.length, 0);
  });

  test('is an error object for programs, in their language', async () => {
    for (const accept of ['application/json', '*/*', 'text/*', 'text/html;q=0', undefined]) {
      for (const path of ['/nowhere', '/assets/none.js']) {
        const headers = { 'Accept-Language': 'zh', ...(accept && { Accept: accept }) };
        const answer = await rawRequest(context.server.port, 'GET', path, { headers });
        assert.match(assertError(answer, 404, 'not_found').error, /\p{Script=Han}/u);
      }
    }
    const posted = await rawRequest(context.server.port, 'POST', '/nowhere', { headers: { Accept: BROWSER }, body: {} });
    assertError(posted, 404, 'not_found');
  });

  test('of the API is the same for everybody', async () => {
    for (const path of ['/api', '/api/', '/api/nowhere', '/admin', '/admin/status', '/livez/x', '/readyz/x']) {
      assertError(await rawRequest(context.server.port, 'GET', path, { headers: { Accept: BROWSER } }), 404, 'not_found');
    }
    const door = await rawRequest(context.server.port, 'GET', '/v1/nowhere', { headers: { Accept: BROWSER } });
    assert.equal(door.status, 404);
    assert.equal(JSON.parse(door.body).error.code, 'not_found');
    assertError(await rawRequest(context.server.port, 'GET', '/api/me', { headers: { Accept: BROWSER } }),
      401, 'unauthorized');
  });
});

describe('a public address with a path', () => {
  const context = withServer({ env: { TIDETALK_PUBLIC_URL: 'https://example.org/sea/chat/' } });
  const get = (path, headers, method) => ask(context.server, path, headers, method);

  // A proxy that leaves the path as it is, and one that takes the prefix off.
  for (const [proxy, prefix] of [['as it is', '/sea/chat'], ['without the prefix', '']]) {
    test(`works with the path ${proxy}`, async () => {
      const page = await get(`${prefix}/`);
      assert.equal(page.status, 200);
      assert.deepEqual(page.body, fileBytes('index.html'));
      assert.equal((await get(`${prefix}/${script}`)).status, 200);
      assert.equal((await get(`${prefix}/livez`)).status, 200);
      assertError(await rawRequest(context.server.port, 'GET', `${prefix}/api/nowhere`, { headers: { Accept: BROWSER } }),
        404, 'not_found');
      const door = await rawRequest(context.server.port, 'GET', `${prefix}/v1/models`);
      assert.equal(JSON.parse(door.body).error.type, 'authentication_error', 'in the shape of its path');

      const post = (path, body, headers) =>
        rawRequest(context.server.port, 'POST', `${prefix}${path}`, { body, headers });
      const registered = await post('/api/register', { username: uniqueName(), password: PASSWORD });
      assert.equal(registered.status, 200, registered.body);
      const cookie = registered.headers['set-cookie'];
      assert.match(cookie, /; Path=\/sea\/chat;/);
      assert.match(cookie, /; Secure/);
      const own = { Cookie: cookie.split(';')[0], Origin: 'https://example.org' };
      const said = { session_id: uniqueName(), model_name: 'demo', message: 'hi' };
      const streamed = await post('/api/chat/message/stream', said, own);
      assert.equal(streamed.status, 200);
      assert.match(streamed.body, /"done":true/);
      assertError(await post('/api/chat/message', said, { ...own, Origin: 'https://example.com' }), 403, 'csrf');
      const out = await post('/api/logout', {}, own);
      assert.match(out.headers['set-cookie'], /; Path=\/sea\/chat;.*Max-Age=0/);
    });
  }

  test('leads to the page without its last slash', async () => {
    for (const [path, location] of [['/sea/chat', '/sea/chat/'], ['/sea/chat?a=b', '/sea/chat/?a=b']]) {
      const answer = await get(path);
      assert.equal(answer.status, 302);
      assert.equal(answer.headers.location, location);
    }
    assertError(await rawRequest(context.server.port, 'POST', '/sea/chat', { body: {} }), 404, 'not_found');
  });

  test('has a page for unknown paths whose links work at any depth', async () => {
    for (const path of ['/sea/chat/a/b/c', '/a/b', '/sea/chatter', '/sea', '/sea/chat/sea/chat/x']) {
      const answer = await get(path, { Accept: BROWSER });
      assert.equal(answer.status, 404, path);
      const links = [...answer.body.toString().matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link]) => link);
      assert.ok(links.length > 0);
      for (const link of links) {
        assert.ok(link.startsWith('/sea/chat/'), link);
        assert.equal((await get(link)).status, 200, link);
      }
    }
  });
});

describe('a public address without a path', () => {
  const context = withServer({ env: { TIDETALK_PUBLIC_URL: 'https://example.org/' } });

  test('is the root, with a slash at its end or not', async () => {
    const registered = await rawRequest(context.server.port, 'POST', '/api/register',
      { body: { username: uniqueName(), password: PASSWORD } });
    assert.match(registered.headers['set-cookie'], /; Path=\/;/);
    assert.equal((await ask(context.server, '/')).status, 200);
  });
});
