// covers: serve, web, account
// Every route of the scripts, whoever adds it: with and without a trailing slash, closed to
// strangers, and never showing what belongs to somebody else.
import assert from 'node:assert/strict';
import { before, describe } from 'node:test';
import { HANG_MS, test } from './support/limits.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { TYPE, form, upload } from './support/upload.mjs';

/** [{method, path, auth, listener}] of `tidetalk routes`. */
async function listRoutes(home) {
  const { stdout } = await tidetalk(home, ['routes']);
  return stdout.trim().split('\n').map((line) => {
    const [method, path, auth, listener] = line.split(/ +/);
    return { method, path, auth, listener };
  });
}

// The public routes; whoever takes one away or adds one is told.
const PROMISED = `
POST /api/register
POST /api/login
POST /api/logout
GET /api/profile
GET /api/me
POST /api/update-password
GET /api/models
POST /api/keys
GET /api/keys
DELETE /api/keys/:id
GET /api/usage
GET /api/personas
GET /api/user/apis
POST /api/user/apis
GET /api/user/apis/first
GET /api/user/apis/:name
PUT /api/user/apis/:id
DELETE /api/user/apis/:id
POST /api/user/apis/:id/test
POST /api/user/apis/models
POST /api/chat/session
POST /api/chat/message
POST /api/chat/message/stream
GET /api/chat/sessions
GET /api/chat/sessions/:session_id/messages
PATCH /api/chat/sessions/:session_id
DELETE /api/chat/sessions/:session_id
GET /api/chat/sessions/:session_id/context
GET /api/chat/sessions/:session_id/stream
POST /api/chat/sessions/:session_id/stop
POST /api/chat/sessions/:session_id/approve
POST /api/chat/sessions/:session_id/continue
GET /api/chat/sessions/:session_id/export
GET /api/chat/recover
GET /api/chat/search
POST /api/files/upload
GET /api/files/session/:session_id
GET /api/files/:file_id/content
DELETE /api/files/:file_id
POST /v1/chat/completions
POST /v1/embeddings
POST /v1/rerank
POST /v1/moderations
POST /v1/completions
POST /v1/messages
POST /v1/messages/count_tokens
POST /v1/responses
GET /v1/responses
POST /v1/responses/compact
GET /v1/responses/:response_id
POST /v1/responses/:response_id/cancel
DELETE /v1/responses/:response_id
GET /v1/responses/:response_id/input_items
GET /v1/models
GET /v1/models/:model`.trim().split('\n');

const OPEN = ['POST /api/register', 'POST /api/login'];

// Their body's type is looked at before their token.
const UPLOADS = ['POST /api/files/upload'];

describe('every public route', () => {
  const context = withServer({ env: LOOPBACK });
  let routes;
  before(async () => {
    routes = (await listRoutes(context.server.home)).filter((route) => route.listener === 'public');
  }, { timeout: HANG_MS });

  const name = ({ method, path }) => `${method} ${path}`;
  const fill = (path, values) => path.replace(/:(\w+)/g, (_, key) => encodeURIComponent(values[key] ?? 999999999));
  /** The code of an error, in whichever shape it came. */
  const codeOf = (answer) => answer.body?.code ?? answer.body?.error?.code;
  const NONE = { model: 'none', id: 1e15, name: 'none', session_id: 'none', file_id: 1e15, response_id: 'none' };

  test('of the contract is there, and no other', () => {
    assert.deepEqual(routes.map(name).sort(), [...PROMISED].sort());
  });

  test('answers the same with and without a trailing slash', async () => {
    const client = await context.server.user();
    for (const route of routes) {
      const path = fill(route.path, NONE);
      const body = route.method === 'GET' ? undefined : '{';
      const plain = await client.request(route.method, path, body);
      const slash = await client.request(route.method, `${path}/`, body);
      assert.equal(slash.status, plain.status, name(route));
      assert.equal(codeOf(slash), codeOf(plain), name(route));
      assert.ok(plain.status < 300 || plain.status >= 400, 'no redirect');
      if (plain.status === 404) assert.notEqual(codeOf(plain), 'not_found', name(route));
    }
  });

  test('is closed to strangers', async () => {
    const stranger = context.server.client();
    for (const route of routes) {
      const open = OPEN.includes(name(route));
      assert.equal(route.auth === 'none', open, name(route));
      if (open) continue;
      for (const headers of [{}, { Authorization: 'Bearer x.y.z' }, { Cookie: 'access_token=x.y.z' }]) {
        const [body, type] = UPLOADS.includes(name(route)) ? [form(), TYPE]
          : [route.method === 'GET' ? undefined : {}, {}];
        const answer = await stranger.request(route.method, fill(route.path, NONE), body, {
          headers: { ...headers, ...type },
        });
        assert.equal(answer.status, 401, name(route));
      }
    }
  });

  test("with an id answers 404 for somebody else's", async () => {
    const owner = await context.server.user();
    await owner.say('demo', 'owners-session', 'hello');
    await owner.model('http://127.0.0.1:9/v1', { api_name: 'owners' });
    const { api } = await owner.ok('GET', '/api/user/apis/owners');
    const { file_id: fileId } = await upload(owner, 'owners-session', 'a.txt', 'secret');
    const key = await owner.ok('POST', '/api/keys', { name: 'owners' });
    const response = await owner.ok('POST', '/v1/responses', { model: 'demo', input: 'secret' });
    const theirsAt = (path) => ({
      id: path.startsWith('/api/keys') ? key.id : api.id,
      name: 'owners',
      session_id: 'owners-session',
      file_id: fileId,
      model: api.model_name,
      response_id: response.id,
    });
    const bodies = {
      'PUT /api/user/apis/:id': { model_name: 'stolen' },
      'POST /api/chat/sessions/:session_id/approve': { message_id: 1, approve: true },
      'POST /api/chat/sessions/:session_id/continue': { message_id: 1 },
    };
    const stranger = await context.server.user();
    const withId = routes.filter((route) => route.path.includes(':'));
    assert.ok(withId.length >= 5);
    for (const route of withId) {
      const body = route.method === 'GET' ? undefined : bodies[name(route)] ?? {};
      const theirs = theirsAt(route.path);
      const path = fill(route.path, theirs);
      const foreign = await stranger.request(route.method, path, body);
      assert.equal(foreign.status, 404, `${name(route)}: ${foreign.text}`);
      // It must not even show that there is something.
      const none = await stranger.request(route.method, fill(route.path, NONE), body);
      const [shown, expected] = [[foreign, theirs], [none, NONE]].map(([answer, values]) =>
        JSON.stringify({ ...answer.body, request_id: '' }).replaceAll(`"${values.model}\\"`, '"*\\"')
          .replaceAll(`"${values.response_id}\\"`, '"*\\"'));
      assert.equal(shown, expected);
    }
    assert.deepEqual((await owner.ok('GET', '/api/user/apis/owners')).api, api);
    assert.deepEqual((await owner.ok('GET', '/api/keys')).data.map((one) => one.id), [key.id]);
    assert.equal((await owner.messages('owners-session')).length, 2);
    assert.deepEqual(await owner.ok('GET', `/v1/responses/${response.id}`), response);
    assert.equal((await owner.ok('GET', '/api/files/session/owners-session')).data.length, 1);
  });

  test("in whose body an id stands answers 404 for somebody else's", async () => {
    const owner = await context.server.user();
    await owner.say('demo', 'owners-talk', 'hello');
    const stranger = await context.server.user();
    for (const path of ['/api/chat/message', '/api/chat/message/stream']) {
      const answer = await stranger.post(path, {
        session_id: 'owners-talk', model_name: 'demo', message: 'mine now',
      });
      assertError(answer, 404, 'session_not_found');
    }
    assert.equal((await owner.messages('owners-talk')).length, 2);
    assert.deepEqual((await stranger.ok('GET', '/api/chat/sessions')).data, []);
  });
});
