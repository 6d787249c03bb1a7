// Uploads: what gets in, under which name, what is refused, and that nothing is left of what did not
// get in; and files in conversations.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { RawConnection, parseAnswer } from './support/raw.mjs';
import { LOOPBACK } from './support/server.mjs';
import { TIME, assertError, keysOf, withServer } from './support/suite.mjs';

const BOUNDARY = '----潮聊'.replace(/[^-]/g, 'x') + '0123456789';
const LIMIT = 100_000;

/** One part; `value` a string or bytes. */
const part = (disposition, value, more = '') => Buffer.concat([
  Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n`),
  Buffer.from(value), Buffer.from('\r\n'),
]);
const field = (name, value) => part(`name="${name}"`, value);
const file = (name, bytes) => part(`name="file"; filename="${name}"`, bytes, 'Content-Type: text/plain\r\n');
const form = (...parts) => Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
const TYPE = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };

const send = (user, body, headers = TYPE) =>
  user.request('POST', '/api/files/upload', body, { headers });

/** Uploads and returns the answer's body. */
async function upload(user, session, name, bytes) {
  const answer = await send(user, form(field('session_id', session), file(name, bytes)));
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}

const newSession = async (user, model = 'demo') =>
  (await user.ok('POST', '/api/chat/session', { model_name: model })).session_id;
const list = async (user, session) => (await user.ok('GET', `/api/files/session/${session}`)).data;

/** All files below the store, temporary ones too: paths without the folder. */
function stored(server) {
  const folder = join(server.home.dataDir, 'files');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((shard) =>
    readdirSync(join(folder, shard)).map((name) => `${shard}/${name}`)).sort();
}

const keysStored = (server) => stored(server).map((path) => path.split('/')[1]);

describe('an upload', () => {
  const context = withServer({ env: { TIDETALK_LIMITS_UPLOAD: String(LIMIT) } });
  let user;
  let session;
  before(async () => {
    user = await context.server.user();
    session = await newSession(user);
  }, { timeout: HANG_MS });

  test('is answered, listed and lies under a random key', async () => {
    const before = stored(context.server).length;
    const body = await upload(user, session, '笔记 %221%22.TXT', '潮起潮落');
    assert.deepEqual(keysOf(body), ['file_id', 'file_name', 'file_type', 'message']);
    assert.equal(body.file_type, '.txt');
    const [row] = await list(user, session);
    assert.deepEqual(keysOf(row), ['Content', 'CreatedAt', 'DeletedAt', 'FileName', 'FilePath', 'FileSize',
      'FileType', 'ID', 'IsProcessed', 'SessionID', 'UpdatedAt']);
    assert.match(row.CreatedAt, TIME);
    assert.deepEqual(
      [row.ID, row.DeletedAt, row.SessionID, row.FileSize, row.FileType, row.Content, row.IsProcessed],
      [body.file_id, null, session, 12, '.txt', '', false],
    );
    assert.equal(row.FileName, '笔记 "1".TXT', 'as browsers write quotes');
    assert.equal(body.file_name, row.FileName);
    assert.match(row.FilePath, /^[0-9a-f]{32}$/);
    assert.equal(stored(context.server).length, before + 1);
    assert.ok(keysStored(context.server).includes(row.FilePath));
  });

  test('comes with its fields in either order, and with others', async () => {
    for (const parts of [
      [field('session_id', session), file('a.txt', 'x')],
      [file('a.txt', 'x'), field('session_id', session)],
      [field('other', '1'), file('a.txt', 'x'), field('session_id', session), field('more', '2')],
    ]) {
      const answer = await send(user, form(...parts));
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.file_name, 'a.txt');
    }
    const stock = new FormData(); // what browsers send
    stock.set('file', new Blob(['日记']), '日记.md');
    stock.set('session_id', session);
    const response = await fetch(`${context.server.url}/api/files/upload/`, {
      method: 'POST', body: stock, headers: { Authorization: `Bearer ${user.token}` },
    });
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    assert.equal(body.file_name, '日记.md');
  });

  test('may have 0 bytes and the limit, not one more', async () => {
    for (const size of [0, 1, LIMIT - 1, LIMIT]) {
      await upload(user, session, `${size}.bin`, Buffer.alloc(size, 'x'));
      assert.equal((await list(user, session))[0].FileSize, size);
    }
    const before = stored(context.server);
    for (const size of [LIMIT + 1, LIMIT + 200_000]) {
      const body = form(field('session_id', session), file('big.bin', Buffer.alloc(size, 'x')));
      assertError(await send(user, body), 413, size === LIMIT + 1 ? 'file_too_large' : 'body_too_large');
    }
    await eventually(() => stored(context.server).length === before.length, 'nothing is left');
  });

  test('with 1,000 parts or large fields is refused', async () => {
    const fields = Array.from({ length: 1000 }, (_, i) => field(`f${i}`, 'x'));
    assertError(await send(user, form(...fields)), 413, 'multipart_too_many_parts');
    assertError(await send(user, form(file('a.txt', 'x'), field('session_id', 'x'.repeat(5000)))), 413,
      'multipart_field_too_large');
  });

  test('that is malformed is refused', async () => {
    const whole = form(field('session_id', session), file('a.txt', 'x'));
    assertError(await send(user, whole.subarray(0, whole.length - 6)), 400, 'multipart_incomplete');
    assertError(await send(user, ''), 400, 'multipart_incomplete');
    assertError(await send(user, whole, { 'Content-Type': 'multipart/form-data' }), 400, 'multipart_invalid');
    assertError(await send(user, '{}', { 'Content-Type': 'application/json' }), 415, 'unsupported_media_type');
    assertError(await send(user, whole, { 'Content-Type': null }), 415, 'unsupported_media_type');
    assertError(await send(user, form(field('session_id', session))), 400, 'missing_field');
    assertError(await send(user, form(field('session_id', session), file('', ''))), 400, 'missing_field');
    assertError(await send(user, form(file('a.txt', 'x'))), 400, 'missing_field');
    assertError(await send(user, form(file('a.txt', 'x'), field('session_id', ''))), 400, 'missing_field');
    assertError(await send(user, form(file('a', 'x'), file('b', 'y'), field('session_id', session))), 400,
      'multipart_invalid');
  });

  test('needs a session of the caller and a real token', async () => {
    const before = stored(context.server);
    const stranger = await context.server.user();
    const body = (id) => form(file('a.txt', 'x'), field('session_id', id));
    assertError(await send(stranger, body(session)), 404, 'session_not_found');
    assertError(await send(user, body('none')), 404, 'session_not_found');
    stranger.token = 'x.y.z';
    assertError(await send(stranger, body(session)), 401, 'invalid_token');
    stranger.token = null;
    assertError(await send(stranger, body(session)), 401, 'unauthorized');
    await eventually(() => stored(context.server).length === before.length, 'nothing is left');
  });

  test('never gets a name that leads anywhere', async () => {
    for (const [name, kept] of [
      ['../../etc/passwd', 'passwd'], ['..\\..\\boot.ini', 'boot.ini'], ['/abs/name.txt', 'name.txt'],
      ['潮'.repeat(255), '潮'.repeat(255)],
    ]) {
      assert.equal((await upload(user, session, name, 'x')).file_name, kept);
    }
    for (const name of ['a\0b.txt', '..', 'a/..', '.', 'a\x01.txt', 'a\x7f.txt']) {
      assertError(await send(user, form(field('session_id', session), file(name, 'x'))), 400, 'multipart_invalid');
    }
    // Browsers write line ends as %0D%0A: as such they are harmless, bare they are no header.
    for (const name of ['a\r\nb.txt', 'a%0D%0Ab.txt']) {
      const answer = await send(user, form(field('session_id', session), file(name, 'x')));
      if (answer.status === 200) assert.doesNotMatch(answer.body.file_name, /[\r\n]/);
      else assertError(answer, 400, 'multipart_invalid');
    }
    const long = await send(user, form(field('session_id', session), file('潮'.repeat(256), 'x')));
    assertError(long, 400, 'invalid_field');
    for (const path of stored(context.server)) assert.match(path, /^([0-9a-f]{2})\/\1[0-9a-f]{30}$/);
  });

  const rawHead = (length) => [
    'POST /api/files/upload HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${user.token}`,
    `Content-Type: ${TYPE['Content-Type']}`, `Content-Length: ${length}`, 'Connection: close', '', '',
  ].join('\r\n');

  test('is the same wherever the network cuts it', async () => {
    const content = `a\r\n--${BOUNDARY.slice(0, -1)}\r\n--\r\n\r`;
    const body = form(field('session_id', session), file('cut.txt', content));
    const start = body.indexOf(content) - 2;
    const uploadCut = async (cut) => {
      const connection = new RawConnection(context.server.port);
      connection.socket.write(rawHead(body.length));
      connection.socket.write(body.subarray(0, cut));
      await new Promise((done) => setTimeout(done, 5)); // a segment of its own
      connection.socket.write(body.subarray(cut));
      await within(connection.closed, `an upload cut at ${cut}`);
      const answer = parseAnswer(connection.received);
      assert.equal(answer.status, 200, `cut at ${cut}: ${answer.body}`);
      return JSON.parse(answer.body).file_id;
    };
    const cuts = [];
    for (let cut = start; cut < body.length; cut += 1) cuts.push(cut);
    const ids = [];
    while (cuts.length > 0) ids.push(...await Promise.all(cuts.splice(0, 16).map(uploadCut)));
    const rows = await list(user, session);
    for (const id of ids) assert.equal(rows.find((row) => row.ID === id).FileSize, content.length);
  });

  test('that breaks off in the middle leaves nothing', async () => {
    const before = stored(context.server).length;
    const body = form(field('session_id', session), file('big.bin', Buffer.alloc(LIMIT, 'x')));
    for (const cut of [0, 100, 300, 20_000, body.length - 3]) {
      for (const leave of ['close', 'reset']) {
        const connection = new RawConnection(context.server.port);
        connection.socket.write(rawHead(body.length));
        await new Promise((done) => { connection.socket.write(body.subarray(0, cut), done); });
        if (cut > 10_000) {
          await eventually(() => stored(context.server).length > before, 'the temporary file is there');
        }
        connection[leave]();
        await eventually(() => stored(context.server).length === before, 'nothing is left');
      }
    }
  });

  test('is deleted with its bytes', async () => {
    const { file_id: id } = await upload(user, session, 'gone.txt', 'x');
    const { FilePath: key } = (await list(user, session)).find((row) => row.ID === id);
    assert.ok(keysStored(context.server).includes(key));
    await user.ok('DELETE', `/api/files/${id}`);
    assert.ok(!keysStored(context.server).includes(key));
    assert.ok(!(await list(user, session)).some((row) => row.ID === id));
    assertError(await user.delete(`/api/files/${id}`), 404, 'file_not_found');
  });

  test('is deleted with its session', async () => {
    const other = await newSession(user);
    for (let i = 0; i < 3; i += 1) await upload(user, other, `${i}.txt`, 'x');
    const keys = (await list(user, other)).map((row) => row.FilePath);
    assert.deepEqual(keys.length, 3);
    await user.ok('DELETE', `/api/chat/sessions/${other}`);
    const left = keysStored(context.server);
    for (const key of keys) assert.ok(!left.includes(key));
    assertError(await user.get(`/api/files/session/${other}`), 404, 'session_not_found');
  });

  test('is not seen by others', async () => {
    const { file_id: id } = await upload(user, session, 'mine.txt', 'x');
    const stranger = await context.server.user();
    assertError(await stranger.get(`/api/files/session/${session}`), 404, 'session_not_found');
    assertError(await stranger.delete(`/api/files/${id}`), 404, 'file_not_found');
    assert.ok((await list(user, session)).some((row) => row.ID === id));
  });
});

describe('files of one user', () => {
  const context = withServer({
    env: { TIDETALK_LIMITS_USER_FILES: '1000', TIDETALK_FILES_TYPES: '.txt,.md' },
  });

  test('have a quota, which deleting frees, also under uploads at once', async () => {
    const user = await context.server.user();
    const session = await newSession(user);
    const other = await context.server.user();
    await upload(other, await newSession(other), 'b.txt', Buffer.alloc(1000));
    const tries = await Promise.all(Array.from({ length: 8 }, (_, i) =>
      send(user, form(field('session_id', session), file(`${i}.txt`, Buffer.alloc(400))))));
    assert.equal(tries.filter((answer) => answer.status === 200).length, 2);
    for (const answer of tries) if (answer.status !== 200) assertError(answer, 413, 'quota_exceeded');
    await eventually(() => stored(context.server).length === 3, 'only those that have rows are kept');
    await user.ok('DELETE', `/api/files/${(await list(user, session))[0].ID}`);
    await upload(user, session, 'fits.md', Buffer.alloc(600));
  });

  test('are of the configured types', async () => {
    const user = await context.server.user();
    const body = form(field('session_id', await newSession(user)), file('a.exe', 'x'));
    assertError(await send(user, body), 422, 'file_type_not_allowed');
  });
});

describe('attached files', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_FILES_TEXT_TYPES: '.tide' }, mock: true });
  let user;
  let model;
  before(async () => {
    user = await context.server.user();
    model = await user.model(context.mock.url('echo=1'));
  }, { timeout: HANG_MS });

  /** What the upstream was last asked. */
  const asked = async () => (await context.mock.requests()).at(-1).json.messages;

  test('reach the model after the message, decoded', async () => {
    const session = await newSession(user, model);
    const text = '潮起潮落，月有圆缺。';
    const gb = Buffer.from('b3b1c6f0b3b1c2e4a3acd4c2d3d0d4b2c8b1a1a3', 'hex');
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
    const ids = [];
    for (const [name, bytes] of [['gb.txt', gb], ['wide.md', utf16], ['plain.tide', text],
      ['bom.py', `\ufeff${text}`]]) {
      ids.push((await upload(user, session, name, bytes)).file_id);
    }
    await user.say(model, session, '这是什么？', { file_ids: [...ids, ids[0]] });
    const { content } = (await asked()).at(-1);
    const block = (name) => `=== ${name} ===\n${text}`;
    assert.equal(content, ['这是什么？', ...['gb.txt', 'wide.md', 'plain.tide', 'bom.py'].map(block)].join('\n\n'));
    const [message] = await user.messages(session);
    assert.equal(message.content, '这是什么？');
    assert.deepEqual(message.file_ids, ids);
    for (const row of await list(user, session)) {
      assert.equal(row.IsProcessed, true);
      assert.equal(row.Content, text);
    }
  });

  test('may come without a message', async () => {
    const session = await newSession(user, model);
    const { file_id: id } = await upload(user, session, 'alone.txt', 'only this');
    await user.say(model, session, '', { file_ids: [id] });
    assert.equal((await asked()).at(-1).content, '=== alone.txt ===\nonly this');
    assert.equal((await user.messages(session))[0].content, '');
    assertError(await user.post('/api/chat/message', {
      session_id: session, model_name: model, message: '', file_ids: [],
    }), 400, 'missing_field');
  });

  test('are in the history, also after a restart and for a new reply', async () => {
    const session = await newSession(user, model);
    const { file_id: id } = await upload(user, session, 'h.txt', 'the text');
    const first = await user.say(model, session, 'look', { file_ids: [id] });
    const content = 'look\n\n=== h.txt ===\nthe text';
    await context.server.stop();
    await context.server.start();
    await user.say(model, session, 'and now?');
    const messages = (await asked()).filter((m) => m.role !== 'system');
    assert.deepEqual(messages.map((m) => m.content), [content, first.response, 'and now?']);
    const again = await user.post('/api/chat/message', {
      session_id: session, model_name: model, message: '', regenerate: first.message_id,
    });
    assert.equal(again.status, 200, again.text);
    assert.equal((await asked()).at(-1).content, content);
    await user.ok('DELETE', `/api/files/${id}`);
    await user.say(model, session, 'gone?');
    const contents = (await asked()).filter((m) => m.role === 'user').map((m) => m.content);
    assert.deepEqual(contents, ['look', 'gone?'], 'on the path of the newest reply');
  });

  test('must be text of this session and of the caller', async () => {
    const session = await newSession(user, model);
    const other = await newSession(user, model);
    const stranger = await context.server.user();
    const theirs = await newSession(stranger);
    const attach = (ids) => user.post('/api/chat/message', {
      session_id: session, model_name: model, message: 'x', file_ids: ids,
    });
    for (const id of [
      (await upload(stranger, theirs, 'a.txt', 'secret')).file_id,
      (await upload(user, other, 'a.txt', 'x')).file_id, 1e15,
    ]) assertError(await attach([id]), 404, 'file_not_found');
    const { file_id: image } = await upload(user, session, 'a.png', 'x');
    assertError(await attach([image]), 422, 'file_not_text');
    const { file_id: binary } = await upload(user, session, 'b.txt', Buffer.from([0, 1, 2, 0, 255]));
    assertError(await attach([binary]), 422, 'unsupported_encoding');
    const { file_id: long } = await upload(user, session, 'c.txt', Buffer.alloc(1_100_000, 'x'));
    assert.equal((await attach([long])).status, 422);
    const { file_id: broken } = await upload(user, session, 'd.docx', 'no zip');
    assertError(await attach([broken]), 422, 'extract_failed');
    assert.deepEqual(await user.messages(session), [], 'nothing of them was stored');
  });
});

describe('the file store', () => {
  const context = withServer();

  test('is swept at start after a kill', async () => {
    const { server } = context;
    const user = await server.user();
    const session = await newSession(user);
    const { file_id: id } = await upload(user, session, 'kept.txt', 'x');
    const before = stored(server);
    const connection = new RawConnection(server.port);
    connection.socket.write([
      'POST /api/files/upload HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${user.token}`,
      `Content-Type: ${TYPE['Content-Type']}`, 'Content-Length: 1000000', '', '',
    ].join('\r\n'));
    connection.socket.write(form(field('session_id', session), file('half.txt', Buffer.alloc(50_000))).subarray(0, -90));
    await eventually(() => stored(server).length > before.length, 'the temporary file is there');
    await server.kill();
    assert.ok(stored(server).length > before.length);
    await server.start();
    await eventually(() => stored(server).length === before.length, 'swept');
    assert.deepEqual(stored(server), before);
    assert.equal((await list(user, session))[0].ID, id);
  });

  test('ends in order with an upload in the middle', async () => {
    const { server } = context;
    const user = await server.user(uniqueName());
    const connection = new RawConnection(server.port);
    connection.socket.write([
      'POST /api/files/upload HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${user.token}`,
      `Content-Type: ${TYPE['Content-Type']}`, 'Content-Length: 1000000', '', '',
    ].join('\r\n'));
    connection.socket.write(form(file('half.txt', Buffer.alloc(500_000))).subarray(0, -90));
    await eventually(() => stored(server).some((path) => path.endsWith('.tmp')), 'the upload runs');
    server.home.env.TIDETALK_DRAIN = '0s';
    connection.close();
    await server.stop();
    assert.ok(!stored(server).some((path) => path.endsWith('.tmp')));
    await server.start();
  });
});
