// late
// sqlite
// covers: chat, files, http, serve, db
// Sessions that have grown: 10,000 messages and files are exported, listed and deleted like ten.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test } from './support/limits.mjs';
import { files, messages, numbers, readSql, rowOf, writeSql } from './support/grown.mjs';
import { RawConnection } from './support/raw.mjs';
import { startServer } from './support/server.mjs';
import { assertError } from './support/suite.mjs';
import { newSession, upload } from './support/upload.mjs';

const COUNT = 10_000;

/** Of each hundredth message a second version that nobody went on with. */
const branches = (user, session, first) =>
  `${numbers(1, COUNT - 1)} INSERT INTO chat_messages
     (id, user_id, session_row, parent_id, role, content, created_at, updated_at)
   SELECT ${first} + 2 * i + 1, ${user}, ${rowOf(session)}, ${first} + 2 * i - 2, 'assistant', 'unused', 't', 't' FROM n
   WHERE i % 100 = 0`;

/** A session's rows; ids of messages begin behind `first`. */
const fill = (user, session, first) => [
  ...messages(user, session, first, 1, COUNT), branches(user, session, first), ...files(user, session, session, COUNT),
];

/** 30 MB: more than sockets take that nobody reads from. */
const longMessages = (user, session) =>
  `${numbers(1, 300)} INSERT INTO chat_messages (user_id, session_row, role, content, created_at, updated_at)
   SELECT ${user}, ${rowOf(session)}, 'user', hex(zeroblob(50000)), 't', 't' FROM n`;

describe('a session of 10,000 messages and files', () => {
  let server;
  let user;
  let id;
  let session;
  let doomed;
  let owner; // of `long`
  let long;
  before(async () => {
    server = await startServer({ env: { TIDETALK_LIMITS_USER_FILES: String(2 * COUNT + 1) } });
    user = await server.user();
    id = user.user.id;
    session = await newSession(user);
    doomed = await newSession(user);
    owner = await server.user();
    long = await newSession(owner);
    await server.stop();
    await writeSql(server.home, ...fill(id, session, 0), ...fill(id, doomed, 1_000_000),
      longMessages(owner.user.id, long));
    await server.start();
  }, { timeout: HANG_MS });
  after(async () => {
    try {
      await server?.stop();
    } finally {
      server?.home.remove();
    }
  }, { timeout: HANG_MS });

  test('is exported as JSON with every branch', async () => {
    const answer = await user.get(`/api/chat/sessions/${session}/export`);
    assert.equal(answer.status, 200);
    const { session: row, messages: rows } = JSON.parse(answer.text);
    assert.equal(row.SessionID, session);
    assert.equal(rows.length, COUNT + COUNT / 100 - 1);
    assert.deepEqual(rows[0], { ...rows[0], id: 2, parent_id: null, content: 'number 1 "潮"', file_ids: [] });
    assert.equal(rows.at(-1).content, `number ${COUNT} "潮"`);
    assert.ok(rows.every((r, i) => i === 0 || r.id > rows[i - 1].id));
  });

  test('is exported as Markdown along the newest path', async () => {
    const answer = await user.get(`/api/chat/sessions/${session}/export?format=md`);
    assert.equal(answer.status, 200);
    const told = [...answer.text.matchAll(/^number (\d+) "潮"$/gm)].map((m) => Number(m[1]));
    assert.deepEqual(told, Array.from({ length: COUNT }, (_, i) => i + 1));
    assert.ok(!answer.text.includes('unused'));
    assert.ok(answer.text.endsWith('"潮"\n'));
  });

  test('is exported to a client that asks for the head only', async () => {
    const answer = await user.request('HEAD', `/api/chat/sessions/${session}/export?format=md`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-disposition'), `attachment; filename="${session}.md"`);
    assert.equal(answer.text, '');
  });

  test('has all its files in the list without a page, newest first', async () => {
    const answer = await user.get(`/api/files/session/${session}`);
    assert.equal(answer.status, 200);
    assert.deepEqual(Object.keys(answer.body), ['data']);
    const names = answer.body.data.map((row) => row.FileName);
    assert.deepEqual(names, Array.from({ length: COUNT }, (_, i) => `f${COUNT - i}`));
    // Texts of the newest files, 4 Mi characters of them.
    let text = 0;
    for (const { FileName: name, Content: content } of answer.body.data) {
      const length = Number(name.slice(1)) % 1000;
      text += length;
      assert.equal(content.length, text <= 4 * 1024 * 1024 ? length : 0, name);
    }
  });

  test('has its files page by page', async () => {
    for (const [query, page, size, first] of [['page=1', 1, 20, COUNT], ['page_size=50', 1, 50, COUNT],
      ['page=100&page_size=100', 100, 100, 100], ['page=34&page_size=99', 34, 99, COUNT - 33 * 99],
      ['page=80&page_size=99', 80, 99, COUNT - 79 * 99], ['page=101&page_size=100', 101, 100, 0],
    ]) {
      const { data, pagination } = await user.ok('GET', `/api/files/session/${session}?${query}`);
      assert.deepEqual(pagination,
        { page, page_size: size, total: COUNT, total_pages: Math.ceil(COUNT / size) }, query);
      assert.deepEqual(data.map((row) => row.FileName), Array.from({ length: first && size }, (_, i) => `f${first - i}`), query);
    }
    assertError(await user.get('/api/files/session/nowhere?page=1'), 404, 'session_not_found');
  });

  test('costs its bytes until it is deleted, which one commit does; a kill does not stop the rest', async () => {
    const small = await newSession(user);
    await upload(user, small, 'one.txt', 'x'); // the last byte that fits
    await user.ok('DELETE', `/api/chat/sessions/${doomed}`);
    const { data, pagination } = await user.ok('GET', '/api/chat/sessions');
    assert.deepEqual([data.map((row) => row.SessionID), pagination.total], [[small, session], 2]);
    await server.kill();
    await server.start();
    for (const path of [`chat/sessions/${doomed}/messages`, `chat/sessions/${doomed}/export`, `files/session/${doomed}`]) {
      assertError(await user.get(`/api/${path}`), 404, 'session_not_found');
    }
    await user.ok('POST', '/api/chat/message', { session_id: doomed, model_name: 'demo', message: 'made anew' });
    await upload(user, doomed, 'room.txt', 'x'.repeat(COUNT));
    assert.equal((await user.messages(doomed)).length, 2);
    assert.equal((await user.ok('GET', `/api/files/session/${doomed}`)).data.length, 1);
    const left = async () => Number(await readSql(server.home,
      `(SELECT count(*) FROM chat_messages WHERE user_id = ${id})
      + (SELECT count(*) FROM uploaded_files WHERE user_id = ${id})`));
    const kept = COUNT + COUNT / 100 - 1 + 2 + COUNT + 2;
    await eventually(async () => (await left()) === kept, 'only what belongs to somebody is left');
    assert.equal((await user.messages(doomed)).length, 2);
    assert.equal((await user.ok('GET', '/api/chat/sessions')).pagination.total, 3);
  });

  test('is no export when it is deleted meanwhile', async () => {
    const connection = new RawConnection(server.port);
    connection.request('GET', `/api/chat/sessions/${long}/export`, { token: owner.token });
    await connection.until((text) => text.includes('"messages":['));
    connection.socket.pause();
    await owner.ok('DELETE', `/api/chat/sessions/${long}`);
    connection.socket.resume();
    await connection.closed;
    assert.match(connection.received, /^HTTP\/1.1 200 /);
    assert.ok(!connection.received.endsWith('0\r\n\r\n'), 'half of it does not look like all');
    assert.match(server.log(), /"?an answer was broken off"?.*session_not_found/);
  });
});
