// covers: http, serve, lib, web
// What goes wrong in a request, before any handler: shape, language, status, headers.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test, within } from './support/limits.mjs';
import { RawConnection, parseAnswer, rawRequest } from './support/raw.mjs';
import { assertError, withServer } from './support/suite.mjs';

/** An answer that is sent before the request's body has come. */
async function answerToHead(server, lines) {
  const connection = new RawConnection(server.port);
  connection.send(`${lines.join('\r\n')}\r\n\r\n`);
  const whole = (text) => {
    const [, length] = /content-length: (\d+)\r\n/i.exec(text) ?? [];
    const head = text.indexOf('\r\n\r\n');
    return length && head >= 0 && text.length >= head + 4 + Number(length);
  };
  await connection.until(whole, 'an answer to the head alone');
  connection.close();
  return parseAnswer(connection.received);
}

describe('headers of every answer', () => {
  const context = withServer();

  test('no type is guessed, and no cache keeps JSON', async () => {
    const { token } = await context.server.user();
    for (const [method, path, options] of [
      ['GET', '/api/me', { token }],
      ['GET', '/api/me', {}],
      ['GET', '/livez', {}],
      ['GET', '/api/chat/sessions', { token }],
      ['POST', '/api/login', { body: { username: 'nobody', password: 'wrong-one' } }],
      ['GET', '/v1/models', {}],
      ['GET', '/nowhere', {}],
    ]) {
      const { headers } = await rawRequest(context.server.port, method, path, options);
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
      assert.equal(headers['cache-control'], 'no-store', path);
    }
    const stream = await rawRequest(context.server.port, 'POST', '/api/chat/message/stream', {
      token, body: { session_id: 'headers', model_name: 'demo', message: 'hi' },
    });
    assert.equal(stream.headers['x-content-type-options'], 'nosniff');
    assert.equal(stream.headers['cache-control'], 'no-cache, no-transform');
  });
});

describe('the shape of errors', () => {
  const context = withServer();

  test('is error, code and request_id, and the id is in the header', async () => {
    const answer = await context.server.client().get('/api/me');
    const body = assertError(answer, 401, 'unauthorized');
    assert.equal(body.request_id, answer.headers.get('x-request-id'));
    assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.ok(context.server.log().includes(body.request_id), 'the id is in the log');
  });

  test('follows the language of the client, the code does not', async () => {
    const client = context.server.client();
    const ask = async (language, path) => {
      const answer = await client.get(path, { headers: { 'Accept-Language': language } });
      return { chinese: /\p{Script=Han}/u.test(answer.body.error), code: answer.body.code };
    };
    const { token } = await context.server.user();
    for (const [language, chinese] of [
      ['zh', true], ['zh-CN', true], ['zh-TW,zh;q=0.9,en;q=0.8', true], ['ZH-cn', true],
      ['en', false], ['en-US,en;q=0.9,zh;q=0.1', false], ['fr', false], [null, false],
    ]) {
      client.token = undefined;
      assert.deepEqual(await ask(language, '/api/me'), { chinese, code: 'unauthorized' }, language);
      client.token = token; // one that a script writes
      assert.deepEqual(await ask(language, '/api/user/apis/none'), { chinese, code: 'api_not_found' });
    }
  });

  test('every answer has a request id of its own, and a generation when its scripts had a say', async () => {
    const client = await context.server.user();
    const ids = new Set();
    for (const [method, path, generation] of [
      ['GET', '/api/me', '1'], ['GET', '/api/user/apis/none', '1'], ['POST', '/api/login', '1'],
      ['GET', '/api/nowhere', '1'], ['GET', '/nowhere', '1'], ['PATCH', '/api/me', '1'],
      ['OPTIONS', '/api/me', '1'], ['GET', '/livez', null],
    ]) {
      const answer = await client.request(method, path, method === 'POST' ? {} : undefined);
      assert.match(answer.headers.get('x-request-id'), /^[\w-]+$/, path);
      assert.equal(answer.headers.get('x-script-generation'), generation, `${method} ${path}`);
      ids.add(answer.headers.get('x-request-id'));
    }
    assert.equal(ids.size, 8);
  });

  test('a request id of the client is not taken over', async () => {
    const answer = await context.server.client().get('/livez', { headers: { 'X-Request-Id': 'mine' } });
    assert.notEqual(answer.headers.get('x-request-id'), 'mine');
  });
});

describe('bodies', () => {
  const context = withServer();
  const post = (client, body, headers) => client.post('/api/chat/session', body, { headers });

  test('invalid JSON is 400', async () => {
    const client = await context.server.user();
    for (const body of ['{', '{"model_name":}', '{"model_name":"demo"} x', "{'model_name':'demo'}",
      '{"model_name":"demo",}', '{"a":01}', '{"a":NaN}', '\ufeff{"model_name":"demo"}', 'null x',
      '{"model_name":"a\u0001b"}', `${'['.repeat(5000)}${']'.repeat(5000)}`]) {
      assertError(await post(client, body), 400, 'invalid_json');
    }
  });

  test('invalid UTF-8 is 400, written as bytes or as half a surrogate pair', async () => {
    const client = await context.server.user();
    const wrap = (bytes) => Buffer.concat([
      Buffer.from('{"model_name":"'), Buffer.from(bytes), Buffer.from('"}'),
    ]);
    for (const bytes of [[0xff], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80],
      [0xf0, 0x9f, 0x8c]]) {
      assertError(await post(client, wrap(bytes)), 400, 'invalid_json');
    }
    assertError(await post(client, '{"model_name":"\\ud83c"}'), 400, 'invalid_json');
  });

  test('a wrong type is 400 and names the field', async () => {
    const client = await context.server.user();
    for (const value of [1, true, ['demo'], { name: 'demo' }, 1e300]) {
      const body = assertError(await post(client, { model_name: value }), 400, 'invalid_field');
      assert.match(body.error, /model_name/);
    }
    assert.equal((await post(client, '[]')).status, 400);
    for (const body of ['"demo"', '1', 'null', '[{"model_name":"demo"}]']) {
      assertError(await post(client, body), 400, 'invalid_field');
    }
  });

  test('unknown fields are ignored', async () => {
    const client = await context.server.user();
    const answer = await post(client, { model_name: 'demo', colour: 'blue', deep: [{ a: null }] });
    assert.equal(answer.status, 200, answer.text);
  });

  test('other types than JSON are 415', async () => {
    const client = await context.server.user();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx',
      'multipart/form-data; boundary=x', '']) {
      const answer = await post(client, '{"model_name":"demo"}', { 'Content-Type': type });
      assertError(answer, 415, 'unsupported_media_type');
    }
    for (const type of ['application/json', 'Application/JSON; charset=UTF-8', 'application/json ;x=y']) {
      const answer = await post(client, '{"model_name":"demo"}', { 'Content-Type': type });
      assert.equal(answer.status, 200, type);
    }
  });

  test('too much is 413, told before the body is sent', async () => {
    const { token } = await context.server.user();
    for (const [path, limit] of [['/api/login', 8192], ['/api/chat/session', 65536],
      ['/api/chat/message', 1048576]]) {
      const head = [`POST ${path} HTTP/1.1`, 'Host: localhost',
        `Authorization: Bearer ${token}`, 'Content-Type: application/json'];
      const answer = await answerToHead(context.server, [...head, `Content-Length: ${limit + 1}`]);
      const { error } = assertError(answer, 413, 'body_too_large');
      assert.ok(error.includes(`up to ${limit} bytes`), error);
    }
  });

  test('too much without a length is 413 as well', async () => {
    const { token } = await context.server.user();
    const connection = new RawConnection(context.server.port);
    connection.send('POST /api/chat/session HTTP/1.1\r\nHost: localhost\r\n'
      + `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\n`
      + 'Transfer-Encoding: chunked\r\n\r\n');
    // As soon as it is exceeded: the end of the body is not sent.
    for (let i = 0; i < 2; i += 1) connection.send(`8001\r\n${' '.repeat(32769)}\r\n`);
    await connection.until((text) => text.includes('body_too_large'));
    connection.close();
    assert.equal(parseAnswer(connection.received).status, 413);
  });

  test('a body of exactly the limit is read', async () => {
    const client = await context.server.user();
    const body = JSON.stringify({ model_name: 'demo' });
    const answer = await post(client, body + ' '.repeat(65536 - body.length));
    assert.equal(answer.status, 200, answer.text);
  });

  test('401 and 415 come before the body too', async () => {
    const { token } = await context.server.user();
    const head = ['POST /api/chat/session HTTP/1.1', 'Host: localhost', 'Content-Length: 1000'];
    assertError(await answerToHead(context.server, [...head, 'Content-Type: application/json']),
      401, 'unauthorized');
    assertError(await answerToHead(context.server,
      [...head, `Authorization: Bearer ${token}`, 'Content-Type: text/plain']),
    415, 'unsupported_media_type');
  });
});

describe('addresses and heads', () => {
  const context = withServer();

  test('an unknown address is 404', async () => {
    const client = await context.server.user();
    for (const path of ['/nowhere', '/api', '/api/', '/api/nowhere', '/api/me/too', '/api//me', '/api/ME',
      '/api/chat/sessions//messages', '/api/%6de%00', '/favicon.ico', '/api/../api/me']) {
      const { status, body } = await rawRequest(context.server.port, 'GET', path, { token: client.token });
      assertError({ status, body }, 404, 'not_found');
    }
  });

  test('a known address with another method is 405 with Allow', async () => {
    const client = await context.server.user();
    for (const [method, path, allowed] of [
      ['GET', '/api/register', ['POST']],
      ['DELETE', '/api/me/', ['GET']],
      ['PATCH', '/api/user/apis', ['GET', 'POST']],
      ['POST', '/api/user/apis/1', ['DELETE', 'GET', 'PUT']],
      ['PUT', '/api/chat/message/stream', ['POST']],
      ['BREW', '/api/me', ['GET']],
      ['TRACE', '/api/me', ['GET']],
    ]) {
      const { status, headers, body } = await rawRequest(context.server.port, method, path,
        { token: client.token });
      assertError({ status, body }, 405, 'method_not_allowed');
      const allow = headers.allow.split(',').map((name) => name.trim());
      for (const name of allowed) assert.ok(allow.includes(name), `${path}: ${headers.allow}`);
    }
  });

  test('what two parsers could read differently is refused', async () => {
    const { port } = context.server;
    const host = 'Host: localhost\r\n';
    for (const text of [
      'GET /api/me HTTP/1.1\r\n\r\n',
      `GET /api/me HTTP/1.1\r\n${host}${host}\r\n`,
      `POST /api/login HTTP/1.1\r\n${host}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`,
      `POST /api/login HTTP/1.1\r\n${host}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      `GET /api/me HTTP/1.1\r\n${host}X-Folded: a\r\n b\r\n\r\n`,
      `GET /api/me HTTP/1.1\r\n${host}Bad Name: a\r\n\r\n`,
    ]) {
      const connection = new RawConnection(port).send(text);
      await connection.until((received) => /^HTTP\/1\.1 \d+ /.test(received), text);
      assert.match(connection.received, /^HTTP\/1\.1 400 /, text);
      connection.close();
    }
    const long = new RawConnection(port).send(`GET /api/me HTTP/1.1\r\n${host}X: ${'y'.repeat(20000)}\r\n\r\n`);
    await long.until((received) => /^HTTP\/1\.1 \d+ /.test(received), 'a long head');
    assert.match(long.received, /^HTTP\/1\.1 431 /);
    long.close();
  });

  test('a long address and a long token fit into 16 KiB', async () => {
    const client = await context.server.user();
    const answer = await client.get(`/api/me?x=${'y'.repeat(4000)}`, { headers: { 'X-More': 'z'.repeat(4000) } });
    assert.equal(answer.status, 200);
  });

  test('so do cookies of 15 KiB and 300 headers', async () => {
    const { token } = await context.server.user();
    const crumbs = Array.from({ length: 150 }, (_, i) => `c${i}=${'v'.repeat(96)}`);
    const cookie = [...crumbs, `access_token=${token}`].join('; ');
    assert.ok(cookie.length > 15 * 1024);
    const headers = Array.from({ length: 300 }, (_, i) => `X-Number-${i}: ${'v'.repeat(24)}`);
    const connection = new RawConnection(context.server.port);
    for (const [i, more] of [[`Cookie: ${cookie}`], [`Authorization: Bearer ${token}`, ...headers]].entries()) {
      connection.send(`GET /api/me HTTP/1.1\r\nHost: localhost\r\n${more.join('\r\n')}\r\n\r\n`);
      await connection.until((text) => text.split('"user_id"').length === i + 2);
    }
    connection.close();
  });

  test('a connection serves request after request', async () => {
    const { token } = await context.server.user();
    const connection = new RawConnection(context.server.port);
    for (let i = 1; i <= 3; i += 1) {
      connection.request('GET', '/api/me', { token });
      await connection.until((text) => text.split('"user_id"').length === i + 1);
    }
    connection.close();
  });
});

describe('clients that take their time', () => {
  const context = withServer({ env: { TIDETALK_LIMITS_HEAD_TIMEOUT: '1s', TIDETALK_LIMITS_IDLE_TIMEOUT: '1s' } });

  test('a head that does not come to its end is given up', async () => {
    const slow = new RawConnection(context.server.port).send('GET /api/me HTTP/1.1\r\nHost: local');
    const dripping = setInterval(() => slow.send('x'), 100);
    await within(slow.closed, 'the slow client is put out');
    clearInterval(dripping);
  });

  test('a connection without a request is closed', async () => {
    const silent = new RawConnection(context.server.port);
    const used = new RawConnection(context.server.port).request('GET', '/livez');
    await used.until((text) => text.includes('"ok"'));
    await within(Promise.all([silent.closed, used.closed]), 'both are closed');
    assert.equal((await context.server.client().get('/livez')).status, 200);
  });
});
