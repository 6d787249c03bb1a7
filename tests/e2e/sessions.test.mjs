// late
// bytes
// reloads
// postgres
// covers: chat, models, db
// What there is: sessions, their messages, personas, models.
import assert from 'node:assert/strict';
import { before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { LOOPBACK, PERSONAS } from './support/server.mjs';
import { TIME, assertError, keysOf, withServer } from './support/suite.mjs';
import { upload } from './support/upload.mjs';

const newSession = async (user, more) =>
  (await user.ok('POST', '/api/chat/session', { model_name: 'demo', ...more })).session_id;

describe('the list of sessions', () => {
  const context = withServer();
  let user;
  const ids = []; // oldest first
  before(async () => {
    user = await context.server.user();
    for (let i = 0; i < 45; i += 1) ids.push(await newSession(user));
  }, { timeout: HANG_MS });

  const list = (query = '') => user.ok('GET', `/api/chat/sessions${query}`);

  test('is empty for a new user', async () => {
    const other = await context.server.user();
    assert.deepEqual(await other.ok('GET', '/api/chat/sessions'), {
      data: [], pagination: { page: 1, page_size: 20, total: 0, total_pages: 0 },
    });
  });

  test('has the documented keys', async () => {
    const { data: [session] } = await list();
    assert.deepEqual(keysOf(session), ['CreatedAt', 'MessageCount', 'ModelName', 'Persona', 'SessionID',
      'Title', 'UpdatedAt', 'UserID']);
    assert.equal(session.UserID, user.user.id);
    assert.equal(session.ModelName, 'demo');
    assert.equal(session.MessageCount, 0);
    assert.match(session.Title, /demo/, 'until the first message: the model');
    assert.match(session.CreatedAt, TIME);
    assert.match(session.UpdatedAt, TIME);
  });

  test('is newest first, page by page, each once', async () => {
    const seen = [];
    for (const [page, count] of [[1, 20], [2, 20], [3, 5], [4, 0]]) {
      const { data, pagination } = await list(`?page=${page}`);
      assert.deepEqual(pagination, { page, page_size: 20, total: 45, total_pages: 3 });
      assert.equal(data.length, count);
      seen.push(...data.map((s) => s.SessionID));
    }
    assert.deepEqual(seen, [...ids].reverse());
  });

  test('clamps what is out of bounds and tells what it used', async () => {
    for (const [query, page, size] of [
      ['page=0', 1, 20], ['page=-3', 1, 20], ['page_size=0', 1, 1], ['page_size=-1', 1, 1],
      ['page_size=101', 1, 100], ['page_size=99999999999999999999', 1, 100], ['page_size=7&page=2', 2, 7],
      ['page=abc&page_size=', 1, 20], ['page=1.5&page_size=1e2', 1, 20], ['page=%00&page_size=%E6%BD%AE', 1, 20],
      ['page', 1, 20], ['other=1', 1, 20],
    ]) {
      const { data, pagination } = await list(`?${query}`);
      assert.deepEqual([pagination.page, pagination.page_size], [page, size], query);
      assert.equal(data.length, Math.min(size, 45), query);
      assert.equal(pagination.total_pages, Math.ceil(45 / size));
    }
    const far = await list('?page=99999999999999999999');
    assert.deepEqual(far.data, []);
    assert.ok(Number.isSafeInteger(far.pagination.page));
  });

  test('puts a session with a new message first', async () => {
    await user.say('demo', ids[3], '  你好，\n潮聊！ ');
    const { data: [first, second] } = await list('?page_size=2');
    assert.deepEqual([first.SessionID, second.SessionID], [ids[3], ids.at(-1)]);
    assert.equal(first.MessageCount, 2);
    assert.equal(first.Title, '你好， 潮聊！');
    assert.ok(first.UpdatedAt > first.CreatedAt);
  });
});

describe('titles', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('are made of the first message and stay', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    const session = await newSession(user, { model_name: model });
    const title = async () => (await user.ok('GET', '/api/chat/sessions')).data[0].Title;
    const placeholder = await title();
    const reader = await user.open(model, session, 'The first message is what the session is called.');
    assert.notEqual(await title(), placeholder, 'known before the reply ends');
    await reader.end();
    const made = await title();
    assert.match(made, /^The first message/);
    assert.ok([...made].length <= 21);
    await user.say(model, session, 'Another message');
    assert.equal(await title(), made);
  });
});

describe('the messages of a session', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  let user;
  let session;
  before(async () => {
    user = await context.server.user();
    session = uniqueName('session');
    const model = await user.model(context.mock.url('echo=1'));
    for (let i = 0; i < 7; i += 1) await user.say(model, session, `message ${i}`);
  }, { timeout: HANG_MS });

  const page = (query = '') => user.ok('GET', `/api/chat/sessions/${session}/messages${query}`);

  test('have the documented keys', async () => {
    const { data: [asked, reply] } = await page();
    for (const message of [asked, reply]) {
      for (const key of ['id', 'role', 'content', 'created_at', 'status', 'parent_id', 'file_ids', 'model_name']) {
        assert.ok(key in message, key);
      }
      assert.match(message.created_at, TIME);
      assert.deepEqual(message.file_ids, []);
      assert.equal(message.model_name, 'model-1');
      assert.equal(message.status, 'complete');
    }
    assert.deepEqual([asked.siblings, reply.siblings], [[asked.id], [reply.id]]);
    assert.deepEqual([asked.role, asked.content, asked.parent_id], ['user', 'message 0', null]);
    assert.deepEqual([reply.role, reply.content, reply.parent_id], ['assistant', 'message 0', asked.id]);
  });

  test('come oldest first, whole when they fit', async () => {
    const { data, cursor, has_more: more } = await page();
    assert.equal(data.length, 14);
    assert.ok(data.every((m, i) => i === 0 || m.id > data[i - 1].id));
    assert.equal(cursor, data[0].id);
    assert.equal(more, false);
  });

  test('go back page by page without a gap, and has_more is exact', async () => {
    const { data: all } = await page();
    for (const limit of [1, 3, 5, 7, 13, 14, 15]) {
      const seen = [];
      let cursor = 0;
      for (let more = true; more;) {
        const body = await page(`?cursor=${cursor}&limit=${limit}`);
        assert.ok(body.data.length > 0, 'no empty page was promised');
        assert.equal(body.cursor, body.data[0].id);
        seen.unshift(...body.data);
        assert.equal(body.has_more, seen.length < 14);
        ({ cursor, has_more: more } = body);
      }
      assert.deepEqual(seen, all, `limit ${limit}`);
    }
    const beyond = await page(`?cursor=${all[0].id}`);
    assert.deepEqual(beyond, { data: [], cursor: 0, has_more: false });
  });

  test('clamp what is out of bounds', async () => {
    for (const [query, count] of [
      ['limit=0', 1], ['limit=-1', 1], ['limit=1000', 14], ['limit=abc', 14], ['cursor=abc', 14],
      ['cursor=-5', 14], ['cursor=99999999999999999999&limit=3', 3], ['cursor=1.5', 14],
    ]) {
      assert.equal((await page(`?${query}`)).data.length, count, query);
    }
  });

  test('of an empty session are an empty list', async () => {
    const empty = await newSession(user);
    const body = await user.ok('GET', `/api/chat/sessions/${empty}/messages`);
    assert.deepEqual(body, { data: [], cursor: 0, has_more: false });
  });

  test('of an unknown session are 404', async () => {
    for (const id of ['none', '1', '%E6%BD%AE', 'x'.repeat(200), '%00', "'; DROP TABLE users; --"]) {
      assertError(await user.get(`/api/chat/sessions/${encodeURIComponent(id).replaceAll('%25', '%')}/messages`),
        404, 'session_not_found');
    }
  });
});

describe('exporting a session', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const exported = async (query) => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    const session = uniqueName('session');
    await user.say(model, session, '你好 🌊');
    const answer = await user.get(`/api/chat/sessions/${session}/export${query}`);
    return { user, session, answer };
  };

  test('as JSON has everything', async () => {
    for (const query of ['', '?format=json']) {
      const { user, session, answer } = await exported(query);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers.get('content-disposition'), `attachment; filename="${session}.json"`);
      assert.deepEqual(answer.body.session, (await user.ok('GET', '/api/chat/sessions')).data[0]);
      assert.deepEqual(answer.body.messages.map((m) => [m.role, m.content]),
        [['user', '你好 🌊'], ['assistant', '你好 🌊']]);
    }
  });

  test('as Markdown is for people', async () => {
    const { session, answer } = await exported('?format=md');
    assert.equal(answer.headers.get('content-type'), 'text/markdown; charset=utf-8');
    assert.equal(answer.headers.get('content-disposition'), `attachment; filename="${session}.md"`);
    assert.equal(answer.text.split('你好 🌊').length, 4, 'title, question, answer');
  });

  test('knows no other form', async () => {
    const { answer } = await exported('?format=exe');
    assertError(answer, 400, 'invalid_field');
  });
});

describe('deleting a session', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('takes its messages along, and its id is free again', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=roles'));
    const session = uniqueName('session');
    for (const _ of [1, 2]) await user.say(model, session, 'hi');
    const kept = uniqueName('kept');
    await user.say(model, kept, 'hi');
    const body = await user.ok('DELETE', `/api/chat/sessions/${session}`);
    assert.deepEqual(keysOf(body), ['message']);
    for (const answer of [await user.get(`/api/chat/sessions/${session}/messages`),
      await user.delete(`/api/chat/sessions/${session}`)]) {
      assertError(answer, 404, 'session_not_found');
    }
    assert.deepEqual((await user.ok('GET', '/api/chat/sessions')).data.map((s) => s.SessionID), [kept]);
    assert.equal((await user.say(model, session, 'hi')).response, 'system,user', 'nothing is remembered');
  });

  test('takes its files and its search entries along at once', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    const session = uniqueName('session');
    const { message_id: message } = await user.say(model, session, 'a lighthouse');
    const { file_id: file } = await upload(user, session, 'a.txt', 'x');
    const found = () => user.ok('GET', '/api/chat/search?q=lighthouse');
    assert.equal((await found()).pagination.total, 2);
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    assert.deepEqual([(await found()).data, (await found()).pagination.total], [[], 0]);
    assertError(await user.delete(`/api/files/${file}`), 404, 'file_not_found');
    await user.say(model, session, 'made anew');
    assertError(await user.get(`/api/chat/sessions/${session}/messages?leaf=${message}`), 404, 'message_not_found');
    assert.deepEqual((await user.messages(session)).map((m) => m.content), ['made anew', 'made anew']);
    assert.equal((await user.ok('GET', '/api/chat/sessions')).pagination.total, 1);
  });

  test('works for a long one', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('tokens=1'));
    const session = uniqueName('long');
    for (let i = 0; i < 60; i += 1) await user.say(model, session, 'hi');
    assert.equal((await user.messages(session)).length, 100);
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
  });
});

describe('what there is to choose from', () => {
  const context = withServer({ env: LOOPBACK });

  test('personas come in the order of the file, with their texts', async () => {
    const user = await context.server.user();
    for (const path of ['/api/personas', '/api/personas/']) {
      assert.deepEqual(await user.ok('GET', path), { data: PERSONAS.map((p) => p.name), personas: PERSONAS });
    }
  });

  test("models are the user's own and the demo", async () => {
    const user = await context.server.user();
    const demo = { model_name: 'demo', provider: 'demo', builtin: true };
    assert.deepEqual(await user.ok('GET', '/api/models'), { data: [demo] });
    for (const model of ['b', 'a', 'b']) await user.model('http://127.0.0.1:9/v1', { model_name: model });
    const { data } = await user.ok('GET', '/api/models');
    assert.deepEqual(data.map((m) => m.model_name).sort(), ['a', 'b', 'demo']);
    assert.deepEqual(data.find((m) => m.model_name === 'a'), { model_name: 'a', provider: 'openai', builtin: false });
    const stranger = await context.server.user();
    assert.deepEqual((await stranger.ok('GET', '/api/models')).data, [demo]);
  });
});
