// late
// reloads
// covers: files, http, tide
// smoke
// Uploads: what gets in, under which name, what is refused, and that nothing is left of what did not
// get in.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, pause, test, within } from './support/limits.mjs';
import { RawConnection, parseAnswer } from './support/raw.mjs';
import { TIME, assertError, keysOf, withServer } from './support/suite.mjs';
import { BOUNDARY, TYPE, field, file, form, list, newSession, send, stored, upload } from './support/upload.mjs';

const LIMIT = 100_000;

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

  test('is read again, whole and in part, by its owner', async () => {
    const { file_id: id } = await upload(user, session, '海.txt', 'tide tables');
    const path = `/api/files/${id}/content`;
    const whole = await user.fetch('GET', path);
    assert.equal(whole.status, 200);
    assert.equal(whole.headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.match(whole.headers.get('content-disposition'), /%E6%B5%B7\.txt/);
    assert.equal(await whole.text(), 'tide tables');
    const part = await user.fetch('GET', path, undefined, { headers: { Range: 'bytes=5-' } });
    assert.deepEqual([part.status, await part.text()], [206, 'tables']);
    const same = await user.fetch('GET', path, undefined, { headers: { 'If-None-Match': whole.headers.get('etag') } });
    assert.deepEqual([same.status, await same.text()], [304, '']);
    const stranger = await context.server.user();
    assertError(await stranger.get(path), 404, 'file_not_found');
    await user.ok('DELETE', `/api/files/${id}`);
    assertError(await user.get(path), 404, 'file_not_found');
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
    // What a test before this one refused may go meanwhile.
    await eventually(() => stored(context.server).length <= before.length, 'nothing is left');
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
    // What was refused is removed a moment after its answer.
    await eventually(() => stored(context.server).every((path) => /^([0-9a-f]{2})\/\1[0-9a-f]{30}$/.test(path)),
      'only random keys are left');
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
      await pause(5); // a segment of its own
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
    assertError(await user.get(`/api/files/session/${other}`), 404, 'session_not_found');
    await eventually(() => !keysStored(context.server).some((key) => keys.includes(key)), 'their bytes are gone');
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
    // Committed, but the row was never written; and something that is not the store's.
    const shard = join(server.home.dataDir, 'files', before[0].slice(0, 2));
    writeFileSync(join(shard, `${before[0].slice(0, 2)}${'0'.repeat(30)}`), 'orphan');
    writeFileSync(join(server.home.dataDir, 'outside.txt'), 'not in the store');
    await server.start();
    await eventually(() => stored(server).length === before.length, 'swept');
    assert.deepEqual(stored(server), before);
    assert.equal((await list(user, session))[0].ID, id);
    assert.ok(existsSync(join(server.home.dataDir, 'outside.txt')));
  });

  test('takes 10 MiB by default, also chunked and after 100 Continue', async () => {
    const { server } = context;
    const user = await server.user();
    const session = await newSession(user);
    const size = 10 * 1024 * 1024;
    const body = form(field('session_id', session), file('big.bin', Buffer.alloc(size, '潮')));
    const head = ['POST /api/files/upload HTTP/1.1', 'Host: localhost',
      `Authorization: Bearer ${user.token}`, `Content-Type: ${TYPE['Content-Type']}`, 'Connection: close'];
    const sized = new RawConnection(server.port);
    sized.socket.write([...head, `Content-Length: ${body.length}`, 'Expect: 100-continue', '', ''].join('\r\n'));
    await sized.until((text) => text.startsWith('HTTP/1.1 100'));
    sized.received = '';
    sized.socket.write(body);
    const chunked = new RawConnection(server.port);
    chunked.socket.write([...head, 'Transfer-Encoding: chunked', '', ''].join('\r\n'));
    for (let at = 0; at < body.length; at += 100_000) {
      const piece = body.subarray(at, at + 100_000);
      chunked.socket.write(`${piece.length.toString(16)}\r\n`);
      chunked.socket.write(piece);
      chunked.socket.write('\r\n');
    }
    chunked.socket.write('0\r\n\r\n');
    for (const connection of [sized, chunked]) {
      await within(connection.closed, 'a large upload');
      const answer = parseAnswer(connection.received.replace(/^HTTP\/1.1 100 Continue\r\n\r\n/, ''));
      assert.equal(answer.status, 200, answer.body);
    }
    const rows = await list(user, session);
    assert.deepEqual(rows.map((row) => row.FileSize), [size, size]);
    for (const row of rows) {
      const key = row.FilePath;
      const bytes = readFileSync(join(server.home.dataDir, 'files', key.slice(0, 2), key));
      assert.ok(bytes.equals(Buffer.alloc(size, '潮')));
    }
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
