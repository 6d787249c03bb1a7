// covers: http, serve, web
// JSON bodies: how much of one each route takes, and that no valid one makes a script run out of
// time, whatever its shape.
import assert from 'node:assert/strict';
import { before, describe } from 'node:test';
import { randomBytes } from 'node:crypto';
import { HANG_MS, test } from './support/limits.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;

const list = (items) => `[${items.join(',')}]`;
const repeated = (item, bytes, max = Infinity) => list(
  Array(Math.max(1, Math.min(max, Math.floor(bytes / (item.length + 1)) - 2))).fill(item),
);
const fields = (bytes, max = Infinity) => {
  const parts = [];
  for (let i = 0, size = 2; size < bytes - 16 && i < max; i += 1) {
    parts.push(`"${i.toString(36)}":1`);
    size += parts.at(-1).length + 1;
  }
  return `{${parts.join(',')}}`;
};
const text = (unit, bytes) => `"${unit.repeat(Math.floor((bytes - 2) / Buffer.byteLength(unit)))}"`;
// 56 levels are taken, and up to five are around the value, counting its own list.
const DEPTH = 51;

/** Valid JSON of at most so many bytes. Those with a second number hold about as many values as are
 * taken, the others as many as there is room for. */
const SHAPES = {
  'empty arrays': (bytes) => repeated('[]', bytes),
  'empty arrays, as many as are taken': (bytes) => repeated('[]', bytes, 100_000),
  'empty objects': (bytes) => repeated('{}', bytes),
  'objects, as many as are taken': (bytes) => repeated('{"a":[]}', bytes, 28_000),
  'deep arrays': (bytes) => repeated('['.repeat(DEPTH) + ']'.repeat(DEPTH), bytes),
  'deep arrays, as many as are taken': (bytes) => repeated('['.repeat(DEPTH) + ']'.repeat(DEPTH), bytes, 1_950),
  'deep objects': (bytes) => repeated(`${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`, bytes),
  'deep objects, as many as are taken': (bytes) => repeated(`${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`, bytes, 770),
  fields: (bytes) => fields(bytes),
  'fields, as many as are taken': (bytes) => fields(bytes, 58_000),
  numbers: (bytes) => repeated('1', bytes),
  'whole numbers, as many as are taken': (bytes) => repeated('12345', bytes, 520_000),
  'fractions, as many as are taken': (bytes) => repeated('0.1234567', bytes, 65_000),
  'long numbers': (bytes) => repeated('-123456789.123456789e-5', bytes),
  'strings, as many as are taken': (bytes) => repeated('"潮"', bytes, 170_000),
  words: (bytes) => text('hello ', bytes),
  'equal letters': (bytes) => text('a', bytes),
  blanks: (bytes) => text(' ', bytes),
  'escaped lines': (bytes) => text('\\n', bytes),
  'escaped letters': (bytes) => text('\\u6f6e', bytes),
  'escaped pairs': (bytes) => text('\\ud83c\\udf0a', bytes),
  'wide blanks': (bytes) => text('\\u3000', bytes),
  'Chinese': (bytes) => text('潮', bytes),
  commands: (bytes) => text('/a ', bytes),
  quotes: (bytes) => text('\\"', bytes),
};

/** Bodies for each route, the value ($) in fields of every kind: one that nobody knows, one that is
 * a text, one that is a list. Each message makes a session (%) of its own. */
const BODIES = {
  'POST /api/register': ['{"username":"aaa","password":"x","x":$}', '{"username":$}'],
  'POST /api/login': ['{"username":"aaa","password":"bbbbbbb","x":$}', '{"username":"aaa","password":$}'],
  'POST /api/chat/message': [
    '{"session_id":"%","model_name":"mock","message":"hi","x":$}',
    '{"session_id":"%","model_name":"mock","message":$}',
    '{"session_id":"%","model_name":"mock","message":"hi","tools":$}',
    '{"session_id":"%","model_name":"mock","message":"hi","tools":[$]}'],
  'POST /api/chat/message/stream': [
    '{"session_id":"%","model_name":"mock","message":$}'],
  'POST /v1/chat/completions': [
    '{"model":"mock","messages":[{"role":"user","content":"hi"}],"x":$}',
    '{"model":"mock","messages":[{"role":"user","content":$}]}',
    '{"model":"mock","messages":$}'],
  'POST /v1/embeddings': ['{"model":"refusing","input":$}', '{"model":"refusing","input":"a","x":$}'],
};
const ANY = ['{"x":$}', '{"name":$}', '$'];

/** The routes on which a message goes to the built-in model, which looks at it itself. */
const ASKING_DEMO = [
  ['/api/chat/message/stream', MIB, '{"session_id":"%","model_name":"demo","message":$}'],
  ['/v1/chat/completions', 4 * MIB,
    '{"model":"demo","stream":true,"messages":[{"role":"user","content":$}]}'],
  ['/v1/chat/completions', 4 * MIB,
    '{"model":"demo","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":$}]}]}'],
];

describe('bodies', () => {
  const context = withServer({ mock: true, env: LOOPBACK });
  let routes;

  before(async () => {
    const { stdout } = await tidetalk(context.server.home, ['routes', '--json']);
    routes = JSON.parse(stdout).filter((route) => route.body_max && route.listener === 'public');
  });

  const pathOf = (route) => route.path.replace(/:\w+/g, '1');

  test('every route has its limit', () => {
    const limits = Object.fromEntries(routes.map((r) => [`${r.method} ${r.path}`, r.body_max]));
    assert.deepEqual(limits, {
      'POST /api/register': 8 * KIB,
      'POST /api/login': 8 * KIB,
      'POST /api/logout': 8 * KIB,
      'POST /api/update-password': 8 * KIB,
      'POST /api/keys': 8 * KIB,
      'POST /api/user/apis': 64 * KIB,
      'PUT /api/user/apis/:id': 64 * KIB,
      'POST /api/user/apis/:id/test': 8 * KIB,
      'POST /api/user/apis/models': 64 * KIB,
      'POST /api/chat/session': 64 * KIB,
      'POST /api/chat/message': MIB,
      'POST /api/chat/message/stream': MIB,
      'PATCH /api/chat/sessions/:session_id': 64 * KIB,
      'POST /api/chat/sessions/:session_id/stop': 8 * KIB,
      'POST /api/chat/sessions/:session_id/approve': 64 * KIB,
      'POST /api/chat/sessions/:session_id/continue': 8 * KIB,
      'POST /v1/chat/completions': 4 * MIB,
      'POST /v1/completions': 4 * MIB,
      'POST /v1/embeddings': 4 * MIB,
      'POST /v1/rerank': 4 * MIB,
      'POST /v1/moderations': 4 * MIB,
      'POST /v1/messages': 4 * MIB,
      'POST /v1/messages/count_tokens': 4 * MIB,
      'POST /v1/responses': 4 * MIB,
      'POST /v1/responses/compact': 4 * MIB,
      'POST /v1/responses/:response_id/cancel': 8 * KIB,
    });
  });

  test('a byte more is refused, with its limit told', async () => {
    const user = await context.server.user();
    for (const route of routes) {
      const body = JSON.stringify({ x: 'x'.repeat(route.body_max - 8) });
      assert.equal(body.length, route.body_max);
      if (!route.path.endsWith('/logout')) { // which ends the token
        const taken = await user.request(route.method, pathOf(route), body);
        assert.notEqual(taken.status, 413, route.path);
      }
      const refused = await user.request(route.method, pathOf(route), `${body} `);
      assert.equal(refused.status, 413, route.path);
      assert.match(JSON.stringify(refused.body), new RegExp(`up to ${route.body_max} bytes`));
    }
  });

  /** Sends the body in every shape, of so many bytes. */
  async function sendAll(user, method, path, bytes, body) {
    for (const [name, make] of Object.entries(SHAPES)) {
      const filled = body.replace('%', randomBytes(8).toString('hex'));
      const sent = filled.replace('$', () => make(bytes - filled.length));
      const response = await user.fetch(method, path, sent);
      assert.notEqual(response.status, 500, `${path} ${body} ${name}: ${response.status}`);
      await response.body.cancel(); // streams of `demo` take their time, and the script has run
    }
    const failed = context.server.log().split('\n').filter((line) => line.includes('script error'));
    assert.deepEqual(failed, []);
  }

  test('no valid JSON makes a script run out of time', { timeout: 4 * HANG_MS }, async () => {
    const user = await context.server.user();
    await user.model(context.mock.url('tokens=1'), { model_name: 'mock' });
    await user.model(context.mock.url('status=400'), { model_name: 'refusing' });
    for (const route of routes) {
      if (route.path.endsWith('/logout')) continue;
      for (const body of BODIES[`${route.method} ${route.path}`] ?? ANY)
        await sendAll(user, route.method, pathOf(route), route.body_max, body);
    }
  });

  test('and none with a long message does that the built-in model looks at', async () => {
    const user = await context.server.user();
    for (const [path, bytes, body] of ASKING_DEMO) await sendAll(user, 'POST', path, bytes, body);
  });

  test('too many values for a body are refused as such', async () => {
    const user = await context.server.user();
    const body = `{"model":"demo","messages":[{"role":"user","content":"hi"}],"x":${repeated('[]', MIB)}}`;
    const answer = await user.request('POST', '/v1/chat/completions', body);
    assert.equal(answer.status, 413);
    assert.equal(answer.body.error.code, 'too_many_values');
    // What no field is declared for is not built, so it does not count.
    const other = JSON.stringify({ model_name: 'demo' }).replace('}', `,"x":${repeated('[]', 60 * KIB)}}`);
    assert.equal((await user.request('POST', '/api/chat/session', other)).status, 200);
    assertError(await user.request('POST', '/api/chat/session', `${other}]`), 400, 'invalid_json');
  });
});
