// late
// covers: account, chat, files, models, web
// Two users, every public route that takes an id, every method: nothing of one is ever told to the
// other, and nothing of one is changed by the other. Routes and the names of their parameters are read
// from the server and its scripts; a name that this test has no value for fails it.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { ROOT } from './support/process.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { TYPE, field, file, form, upload } from './support/upload.mjs';

const MARK = 'MARKED-BY-THE-OWNER';
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const OWN = ['/api/register', '/api/login', '/api/logout', '/api/update-password']; // take no ids, end logins

const FOREIGN = ['tool_call_id']; // a model's own, within one message

/** Names of fields that stand for something that somebody owns. */
const isId = (name) => (/(^|_)ids?$/.test(name) && !FOREIGN.includes(name)) || ['parent_id', 'regenerate', 'leaf', 'cursor'].includes(name);

/** Every field that a request may have, by its name in the scripts, whatever folder has the routes. */
function fieldNames() {
  const sources = readdirSync(join(ROOT, 'lua'), { withFileTypes: true }).filter((entry) => entry.isDirectory()
    && !['types', 'tests', 'providers'].includes(entry.name)).flatMap(({ name: folder }) =>
    readdirSync(join(ROOT, 'lua', folder)).filter((name) => name.endsWith('.lua'))
      .map((name) => join(ROOT, 'lua', folder, name)));
  return new Set(sources.flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    return [...text.matchAll(/\bname = "(\w+)"/g), ...text.matchAll(/\bfields\.\w+\(\s*"(\w+)"/g)].map((m) => m[1]);
  }));
}

describe('two users', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  let routes;
  before(async () => {
    const { stdout } = await tidetalk(context.server.home, ['routes']);
    routes = stdout.trim().split('\n').map((line) => line.split(/ +/))
      .map(([method, path, auth, listener]) => ({ method, path, auth, listener }))
      .filter((route) => route.listener === 'public' && /^\/(api|v1\/responses)\b/.test(route.path) && !OWN.includes(route.path));
  }, { timeout: HANG_MS });

  /** Somebody with one of everything, all of it marked. */
  const setup = async (mark, session = uniqueName(mark)) => {
    const user = await context.server.user(uniqueName(mark));
    const name = `${mark}-api`;
    const model = await user.model(context.mock.url('echo=1'), { api_name: name, model_name: 'shared-name' });
    const { api } = await user.ok('GET', `/api/user/apis/${name}`);
    const key = await user.ok('POST', '/api/keys', { name: `${mark} key` });
    const turn = await user.say(model, session, `${mark} says this`);
    const again = await user.say(model, session, undefined, { regenerate: turn.message_id });
    await user.ok('PATCH', `/api/chat/sessions/${session}`, { title: `${mark} title` });
    const { file_id: fileId } = await upload(user, session, `${mark}.txt`, `${mark} wrote this`);
    const { id: response } = await user.ok('POST', '/v1/responses', { model, input: `${mark} asks this` });
    return { user, name, model, api, key, session, turn, again, fileId, response };
  };

  /** What each parameter's name may stand for. */
  const valuesOf = (who) => ({
    session_id: [who.session],
    id: [who.api.id, who.key.id, who.fileId, who.turn.message_id, who.user.user.id],
    name: [who.name],
    file_id: [who.fileId],
    file_ids: [[who.fileId]],
    parent_id: [who.turn.message_id, who.again.message_id],
    regenerate: [who.turn.message_id],
    leaf: [who.turn.message_id, who.turn.user_message_id],
    cursor: [who.again.message_id + 1],
    user_id: [who.user.user.id],
    message_id: [who.turn.message_id],
    response_id: [who.response],
    previous_response_id: [who.response],
  });

  const everything = async (who) => {
    const { user, session } = who;
    return Promise.all([
      user.ok('GET', '/api/chat/sessions'), user.ok('GET', `/api/chat/sessions/${session}/export`),
      user.ok('GET', `/api/chat/sessions/${session}/messages`), user.ok('GET', `/api/files/session/${session}`),
      user.ok('GET', '/api/user/apis'), user.ok('GET', '/api/keys'), user.ok('GET', '/api/profile'),
    ]);
  };

  test('have no parameter that this test does not know', () => {
    const values = valuesOf({ user: { user: {} }, api: {}, key: {}, turn: {}, again: {} });
    const inPaths = routes.flatMap((route) => [...route.path.matchAll(/:(\w+)/g)].map((m) => m[1]));
    const inFields = [...fieldNames()].filter(isId);
    assert.ok(inPaths.length >= 5 && inFields.includes('parent_id') && inFields.includes('file_ids'));
    for (const name of [...inPaths, ...inFields]) {
      assert.ok(name in values, `add what "${name}" of one user is, so that others are tried with it`);
    }
  });

  test('never reach each other through a path', async () => {
    const owner = await setup(MARK);
    const stranger = await setup('stranger');
    const theirs = valuesOf(owner);
    const kept = await everything(owner);
    const paths = [...new Set(routes.map((route) => route.path).filter((path) => path.includes(':')))];
    for (const path of paths) {
      const [name] = [...path.matchAll(/:(\w+)/g)].map((m) => m[1]);
      // What this path means by an id. Ids of another kind may be the stranger's own of this kind.
      const kind = path.startsWith('/api/keys') ? 'key' : 'api';
      for (const value of theirs[name]) {
        if (name === 'id' && value === stranger[kind].id) continue;
        for (const method of METHODS) {
          const known = routes.some((route) => route.method === method && route.path === path);
          const body = method === 'GET' ? undefined
            : { title: 'stolen', api_name: uniqueName('stolen'), message_id: owner.turn.message_id, approve: true };
          const at = path.replace(/:\w+/g, encodeURIComponent(value));
          const answer = await stranger.user.request(method, at, body);
          const what = `${method} ${at}: ${answer.status} ${answer.text}`;
          assert.ok((known ? [403, 404, 422] : [400, 403, 404, 405, 422]).includes(answer.status), what);
          assert.ok(!answer.text.includes(MARK), what);
        }
      }
    }
    assert.deepEqual(await everything(owner), kept);
  });

  test('never reach each other through a query or a body', async () => {
    const owner = await setup(MARK);
    const stranger = await setup('stranger');
    const [theirs, mine] = [valuesOf(owner), valuesOf(stranger)];
    const kept = await everything(owner);
    const own = { session_id: stranger.session, model_name: stranger.model, message: 'hi', q: 'MARKED', model: stranger.model, input: 'hi' };
    const names = [...fieldNames()].filter(isId);
    for (const route of routes) {
      const path = route.path.replace(/:(\w+)/g, (_, name) => encodeURIComponent(mine[name][0]));
      // What a DELETE removes is the stranger's own; bodies and queries change nothing in that.
      if (route.method === 'DELETE' || route.path === '/api/files/upload') continue;
      for (const name of names) {
        for (const value of theirs[name]) {
          const wish = { ...own, [name]: value };
          const query = new URLSearchParams(Object.entries(wish).map(([key, v]) => [key, String(v)]));
          const body = route.method === 'GET' ? undefined : wish;
          const answer = await stranger.user.request(route.method, `${path}?${query}`, body);
          const what = `${route.method} ${path} with ${name}=${value}: ${answer.status} ${answer.text}`;
          assert.ok(!answer.text.includes(MARK), what);
          // The list of models is asked of a provider.
          assert.ok(answer.status < 500 || answer.body.code === 'outbound_failed', what);
          const used = route.path.startsWith('/api/chat/message')
            && ['session_id', 'file_ids', 'parent_id', 'regenerate'].includes(name);
          if (used) assert.equal(answer.status, 404, what);
          const continued = route.method === 'POST' && route.path === '/v1/responses' && name === 'previous_response_id';
          if (continued) assert.equal(answer.status, 400, what);
        }
      }
    }
    assert.deepEqual(await everything(owner), kept);
  });

  test('upload into their own sessions only', async () => {
    const owner = await setup(MARK);
    const stranger = await setup('stranger');
    const kept = await everything(owner);
    for (const parts of [[field('session_id', owner.session), file('a.txt', 'x')],
      [file('a.txt', 'x'), field('session_id', owner.session)]]) {
      const answer = await stranger.user.request('POST', '/api/files/upload', form(...parts), { headers: TYPE });
      assert.equal(answer.status, 404, answer.text);
      assert.ok(!answer.text.includes(MARK));
    }
    assert.deepEqual(await everything(owner), kept);
  });

  test('see only themselves in lists, searches and recovered replies', async () => {
    const stranger = await setup('stranger');
    const lists = routes.filter((route) => route.method === 'GET' && !route.path.includes(':')).map(({ path }) => path);
    const session = uniqueName(MARK); // the owner's, once there is one
    const asked = lists.flatMap((path) =>
      ['', `?session_id=${session}&q=MARKED`, '?q=says&page_size=100', '?q=hi'].map((query) => path + query));
    /** All answers, with what they count; only the request's number differs by itself. */
    const answers = async () => {
      const told = [];
      for (const at of asked) {
        const { status, text, body } = await stranger.user.get(at);
        assert.ok(!text.includes(MARK), `${at}: ${text}`);
        told.push([at, status, body ? { ...body, request_id: undefined } : text]);
      }
      return told;
    };
    const before = await answers();
    const owner = await setup(MARK, session);
    const slow = context.mock.url(`text=${MARK},split=1,splitpace=3000,pace=50`);
    const reader = await owner.user.open(owner.model, owner.session, 'slow', { BaseUrl: slow });
    assert.deepEqual(await answers(), before, 'nothing of the owner is seen, and nothing is counted');
    assert.equal((await stranger.user.post(`/api/chat/sessions/${owner.session}/stop`, {})).status, 404);
    await reader.end();
    assert.equal(reader.text, MARK);
  });

  test('reach their own model only under a name that both have', async () => {
    const owner = await setup(MARK);
    const stranger = await setup('stranger');
    for (const who of [owner, stranger]) {
      const { key } = await who.user.ok('POST', '/api/keys', { name: 'door' });
      await who.user.ok('PUT', `/api/user/apis/${who.api.id}`, {
        base_url: context.mock.url('echo=key'), api_key: `sk-of-${who.name}`,
      });
      const answer = await who.user.ok('POST', '/v1/chat/completions', {
        model: 'shared-name', messages: [{ role: 'user', content: 'whose?' }],
      }, { headers: { Authorization: `Bearer ${key}` } });
      assert.equal(answer.choices[0].message.content, `sk-of-${who.name}`);
    }
  });
});
