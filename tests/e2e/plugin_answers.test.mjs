// covers: serve, http, files, script, plugin, docs/plugins.md
// What handlers of plugins may answer: stored files and files of the plugin, in parts; redirects, cookies.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, describe } from 'node:test';
import { settled, statusOf } from './support/admin.mjs';
import { refused, reloaded } from './support/bundle.mjs';
import { HANG_MS, eventually, test } from './support/limits.mjs';
import { RawConnection, rawRequest } from './support/raw.mjs';
import { tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { newSession, stored, upload } from './support/upload.mjs';

const PLUGIN = `
local db = require "tide.db"
local SQL = "SELECT file_key, file_name FROM uploaded_files WHERE id = ? AND user_id = ?"
return {
  api = 1,
  static = { path = "/board" },
  routes = {
    { method = "GET", path = "/own/:id", auth = "user", summary = "A stored file.",
      params = { fields = { { name = "id", type = "integer", required = true } } },
      handler = function(req)
        local row, err = db.one(SQL, { req.params.id, req.user.id })
        if not row then return nil, err or { code = "not_found" } end
        return { file = { key = row.file_key, name = row.file_name } }
      end },
    { method = "GET", path = "/gone", auth = "none", summary = "No stored file.",
      handler = function() return { file = { key = ("0"):rep(32) } } end },
    { method = "GET", path = "/secret", auth = "none", summary = "No served file.",
      handler = function() return { file = { path = "plugin.lua" } } end },
    { method = "GET", path = "/broken", auth = "none", summary = "An answer that is none.",
      handler = function() return { cookies = { { name = "a" } } } end },
    { method = "GET", path = "/enter", auth = "none", summary = "A cookie, and away.",
      handler = function(req)
        return { redirect = "/board/?seen=" .. tostring(req:cookie("seen")),
          cookies = { seen = { value = "1", max_age = 60 } } }
      end },
  },
}`;

/** A file of the plugin of this server. */
function put(server, path, text) {
  const file = join(server.home.folder, 'plugins/own', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

describe('answers of a plugin', () => {
  const context = withServer({
    env: { TIDETALK_PUBLIC_URL: 'https://tide.example/chat', TIDETALK_LIMITS_UPLOAD: '32MiB' },
  });
  before(async () => {
    const { server } = context;
    put(server, 'plugin.lua', PLUGIN);
    put(server, 'static/index.html', '<!doctype html><script src="js/app.js"></script>');
    put(server, 'static/js/app.js', 'console.log("tide")');
    put(server, 'static/.hidden', 'x');
    put(server, 'static/b c.bin', Buffer.from([0, 255, 1, 2, 3]));
    await reloaded(server);
  }, { timeout: HANG_MS });

  test('a folder is served, and nothing else', async () => {
    const { server } = context;
    const client = server.client();
    const page = await client.get('/board/');
    assert.equal(page.status, 200);
    assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(page.headers.get('cache-control'), 'no-cache');
    const away = await client.get('/board');
    assert.deepEqual([away.status, away.headers.get('location')], [303, '/chat/board/']);
    const script = await client.get('/board/js/app.js');
    assert.equal(script.text, 'console.log("tide")');
    assert.equal(script.headers.get('content-type'), 'text/javascript; charset=utf-8');
    const etag = script.headers.get('etag');
    const again = await client.get('/board/js/app.js', { headers: { 'If-None-Match': etag } });
    assert.deepEqual([again.status, again.text], [304, '']);
    const bytes = await client.fetch('GET', '/board/b%20c.bin', undefined, { headers: { Range: 'bytes=1-2' } });
    assert.equal(bytes.status, 206);
    assert.deepEqual([...new Uint8Array(await bytes.arrayBuffer())], [255, 1]);
    for (const path of [
      'js', 'js/', 'missing', '.hidden', '../plugin.lua', '%2e%2e/plugin.lua', 'js/../../plugin.lua', 'js%2fapp.js',
      '..%2fplugin.lua', '%2e%2e%5cplugin.lua', 'js//app.js', '/etc/passwd', 'js/app.js%00', 'JS/app.js', '....//x',
    ]) {
      assert.equal((await rawRequest(server.port, 'GET', `/board/${path}`)).status, 404, path);
    }
    assertError(await client.get('/secret'), 500, 'internal_error');
    assert.equal((await client.post('/board/js/app.js', {})).status, 405);
  });

  test('a file that changes has another tag after a reload, and comes back with a rollback', async () => {
    const { server } = context;
    const client = server.client();
    put(server, 'static/note.txt', 'ebb');
    await reloaded(server);
    const ebb = await client.get('/board/note.txt');
    put(server, 'static/note.txt', 'flood');
    assert.equal((await client.get('/board/note.txt')).text, 'ebb', 'not before the reload');
    await reloaded(server);
    const flood = await client.get('/board/note.txt');
    assert.equal(flood.text, 'flood');
    assert.notEqual(flood.headers.get('etag'), ebb.headers.get('etag'));
    assert.equal((await tidetalk(server.home, ['rollback'])).code, 0);
    assert.equal((await client.get('/board/note.txt')).text, 'ebb');
  });

  test('symbolic links are refused', async () => {
    const { server } = context;
    const link = join(server.home.folder, 'plugins/own/static/link.txt');
    for (const target of ['/etc/hostname', '..', 'note.txt']) {
      symlinkSync(target, link);
      const errors = await refused(server);
      assert.match(errors[0].message, /static\/link.txt: is a symbolic link/);
      rmSync(link);
    }
    put(server, 'plugin.lua', PLUGIN.replace('"/board"', '"/"'));
    assert.match((await refused(server))[0].message, /'static.path'|no path below which/);
    put(server, 'plugin.lua', PLUGIN);
  });

  test('a stored file comes whole, in parts, and not again', async () => {
    const { server } = context;
    const user = await server.user();
    const bytes = randomBytes(700000);
    const session = await newSession(user);
    const big = (await upload(user, session, 'sea.png', bytes)).file_id;
    const small = (await upload(user, session, 'tide 1.html', '<script>潮')).file_id;
    const read = async (id, headers, who = user) => {
      const response = await who.fetch('GET', `/own/${id}`, undefined, { headers });
      return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
    };
    const whole = await read(big);
    assert.equal(whole.status, 200);
    assert.ok(whole.bytes.equals(bytes));
    assert.equal(whole.headers.get('content-length'), '700000');
    assert.equal(whole.headers.get('content-type'), 'image/png');
    assert.equal(whole.headers.get('cache-control'), 'private, no-cache');
    assert.match(whole.headers.get('content-disposition'), /^inline; filename="sea.png"/);
    const etag = whole.headers.get('etag');
    for (const [range, from, to] of [['0-9', 0, 9], ['131070-131080', 131070, 131080], ['600000-', 600000, 699999],
      ['-5', 699995, 699999], ['0-', 0, 699999]]) {
      const part = await read(big, { Range: `bytes=${range}`, 'If-Range': etag });
      assert.equal(part.status, 206, range);
      assert.equal(part.headers.get('content-range'), `bytes ${from}-${to}/700000`);
      assert.ok(part.bytes.equals(bytes.subarray(from, to + 1)), range);
    }
    assert.equal((await read(big, { Range: 'bytes=0-9', 'If-Range': '"old"' })).bytes.length, 700000);
    assert.equal((await read(big, { Range: 'bytes=700000-' })).status, 416);
    const unchanged = await read(big, { 'If-None-Match': `"x", W/${etag}` });
    assert.deepEqual([unchanged.status, unchanged.bytes.length], [304, 0]);
    const head = await rawRequest(server.port, 'HEAD', `/own/${big}`, { token: user.token });
    assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '700000', '']);

    const html = await read(small);
    assert.equal(html.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.match(html.headers.get('content-disposition'), /^attachment; .*filename\*=UTF-8''tide%201.html$/);
    assert.equal((await read(big, {}, await server.user())).status, 404, 'not for another user');
    assertError(await user.get('/gone'), 404, 'file_missing');
  });

  test('a client that reads slowly or leaves costs only its own answer', async () => {
    const { server } = context;
    const user = await server.user();
    const { file_id: id } = await upload(user, await newSession(user), 'large.png', randomBytes(20 << 20));
    const connection = new RawConnection(server.port);
    connection.request('GET', `/own/${id}`, { token: user.token });
    await connection.until((text) => text.includes('\r\n\r\n'));
    connection.socket.pause();
    for (let i = 0; i < 20; i += 1) {
      assert.equal((await user.get('/api/me')).status, 200);
      assert.ok((await statusOf(server)).unread < 1 << 20, 'three pieces at most are held');
    }
    connection.close();
    await eventually(() => /"route":"\/own\/:id".*"code":"client_gone"/.test(server.log()), 'it has ended');
    await settled(server);
  });

  test('a file that became shorter is broken off', async () => {
    const { server } = context;
    const user = await server.user();
    const before = stored(server);
    const { file_id: id } = await upload(user, await newSession(user), 'short.png', randomBytes(20 << 20));
    const connection = new RawConnection(server.port);
    connection.request('GET', `/own/${id}`, { token: user.token });
    await connection.until((text) => text.includes('\r\n\r\n'));
    connection.socket.pause();
    for (const path of stored(server)) {
      if (!before.includes(path)) truncateSync(join(server.home.dataDir, 'files', path), 1 << 20);
    }
    connection.socket.resume();
    await connection.closed;
    await eventually(() => /"route":"\/own\/:id".*"code":"store_failed"/.test(server.log()), 'it was cut');
    await settled(server);
  });

  test('redirects and cookies', async () => {
    const { server } = context;
    const client = server.client();
    const first = await client.get('/enter');
    assert.deepEqual([first.status, first.headers.get('location')], [303, '/chat/board/?seen=nil']);
    assert.equal(first.headers.get('set-cookie'), 'seen=1; Path=/chat; HttpOnly; SameSite=Lax; Max-Age=60; Secure');
    const second = await client.get('/enter', { headers: { Cookie: 'seen=1' } });
    assert.equal(second.headers.get('location'), '/chat/board/?seen=1');
  });

  test('what is wrong with an answer is told with the handler', async () => {
    const { server } = context;
    assert.equal((await server.client().get('/broken')).status, 500);
    const told = await eventually(() => server.log().split('\n').find((line) => line.includes('"/broken"') && line.includes('script error')),
      'it is logged');
    const { handler, error } = JSON.parse(told);
    assert.match(handler, /^plugins\/own\/plugin\.lua:\d+$/);
    assert.match(error, /^names of response headers and cookies must be strings/);
  });
});
