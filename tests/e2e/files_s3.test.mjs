// covers: files, app
// Uploaded files in a bucket: the same answers as with a folder, signed requests, what happens when the bucket
// fails, and what is left there.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { makeDocx } from './support/documents.mjs';
import { HANG_MS, eventually, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { Bucket } from './support/s3.mjs';
import { LOOPBACK, makeHome, Server, startServer, tidetalk } from './support/server.mjs';
import { assertError } from './support/suite.mjs';
import { field, file, form, list, newSession, send, stored, upload } from './support/upload.mjs';

const withBucket = (env = {}, options = {}) => {
  const context = {};
  before(async () => {
    context.bucket = await new Bucket(options).start();
    context.server = await startServer({ env: { ...context.bucket.env(options.folder), ...env } });
    context.user = await context.server.user();
    context.session = await newSession(context.user);
  }, { timeout: HANG_MS });
  after(async () => {
    try {
      await context.server?.stop();
    } finally {
      context.server?.home.remove();
      await context.bucket?.stop();
    }
  }, { timeout: HANG_MS });
  return context;
};

const content = (user, id, headers) => user.fetch('GET', `/api/files/${id}/content`, undefined, { headers });

describe('files in a bucket', () => {
  const context = withBucket({ ...LOOPBACK, TIDETALK_S3_ENCRYPTION: 'AES256', TIDETALK_LIMITS_UPLOAD: '64MiB' }, { folder: 'app/files' });

  test('are objects of the same names, and nothing of them stays on the disk', async () => {
    const { bucket, server, user, session } = context;
    const { file_id: id } = await upload(user, session, '潮.txt', 'tide tables');
    const [row] = await list(user, session);
    const name = `app/files/${row.FilePath.slice(0, 2)}/${row.FilePath}`;
    assert.deepEqual([...bucket.objects.keys()], [name]);
    assert.equal(bucket.objects.get(name).bytes.toString(), 'tide tables');
    assert.equal(bucket.headers.at(-1)['x-amz-server-side-encryption'], 'AES256');
    assert.deepEqual(stored(server), []);
    const whole = await content(user, id);
    assert.deepEqual([whole.status, whole.headers.get('content-type'), await whole.text()],
      [200, 'text/plain; charset=utf-8', 'tide tables']);
    const part = await content(user, id, { Range: 'bytes=5-' });
    assert.deepEqual([part.status, part.headers.get('content-range'), await part.text()],
      [206, 'bytes 5-10/11', 'tables']);
    assert.equal((await content(user, id, { Range: 'bytes=11-' })).status, 416);
  });

  test('are read for the model, also by other programs', async () => {
    const { user } = context;
    const mock = await startMock();
    try {
      const model = await user.model(mock.url('echo=1'));
      const session = await newSession(user, model);
      const { file_id: id } = await upload(user, session, 'notes.docx', makeDocx('Ebb at six'));
      await user.say(model, session, 'What does it say?', { file_ids: [id] });
      const asked = (await mock.requests()).at(-1).json.messages.at(-1).content;
      assert.match(asked, /=== notes\.docx ===\nEbb at six/);
    } finally {
      await mock.stop();
    }
  });

  test('are removed with their rows, and an empty one is one too', async () => {
    const { bucket, user, session } = context;
    const before = bucket.objects.size;
    const { file_id: id } = await upload(user, session, 'gone.txt', 'x');
    assert.equal(bucket.objects.size, before + 1);
    await user.ok('DELETE', `/api/files/${id}`);
    await eventually(() => bucket.objects.size === before, 'the object is removed');
  });

  test('of many megabytes go in parts and come back whole', async () => {
    const { bucket, server, user, session } = context;
    const bytes = Buffer.alloc((40 << 20) + 7);
    for (let i = 0; i < bytes.length; i += 4096) bytes.writeUInt32LE(i, i);
    const { file_id: id } = await upload(user, session, 'large.txt', bytes);
    assert.equal(bucket.requests.filter((line) => /^PUT .*partNumber=/.test(line)).length, 3);
    assert.equal(bucket.uploads.size, 0);
    const back = Buffer.from(await (await content(user, id)).arrayBuffer());
    assert.ok(back.equals(bytes));
    assert.deepEqual(stored(server), []);
  });

  test('a part that fails for good leaves no parts', async () => {
    const { bucket, user, session } = context;
    const before = bucket.objects.size;
    const failed = send(user, form(field('session_id', session), file('parts.txt', Buffer.alloc(40 << 20, 'a'))));
    await eventually(() => bucket.uploads.size === 1, 'the parts begin');
    for (let i = 0; i < 3; i += 1) bucket.failures.push({ status: 500, code: 'InternalError' });
    assertError(await failed, 503, 'store_unavailable');
    assert.equal(bucket.uploads.size, 0);
    assert.equal(bucket.objects.size, before);
  });
});

describe('a bucket that fails', () => {
  const context = withBucket();

  test('is asked again when it is overloaded, resets or is not ready', async () => {
    const { bucket, user, session } = context;
    for (const failure of [{ status: 503, code: 'SlowDown' }, { reset: true }, { status: 500, code: 'InternalError' }]) {
      const before = bucket.objects.size;
      bucket.failures.push(failure);
      await upload(user, session, 'again.txt', 'x');
      assert.equal(bucket.objects.size, before + 1);
      assert.deepEqual(bucket.failures, []);
    }
  });

  test('for long is told as 503, for an upload and a download, and nothing is acknowledged', async () => {
    const { bucket, server, user, session } = context;
    const { file_id: id } = await upload(user, session, 'kept.txt', 'kept');
    const before = bucket.objects.size;
    for (let i = 0; i < 3; i += 1) bucket.failures.push({ status: 503, code: 'SlowDown' });
    const refused = await send(user, form(field('session_id', session), file('lost.txt', 'lost')));
    assertError(refused, 503, 'store_unavailable');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal(bucket.objects.size, before);
    assert.ok(!(await list(user, session)).some((row) => row.FileName === 'lost.txt'));
    for (let i = 0; i < 3; i += 1) bucket.failures.push({ status: 500, code: 'InternalError' });
    assert.equal((await content(user, id)).status, 503);
    assert.equal(await (await content(user, id)).text(), 'kept');
    assert.deepEqual(stored(server), []);
  });

  test('that refuses is told as 500; the log has its words, and no key', async () => {
    const { bucket, server, user, session } = context;
    bucket.failures.push({ status: 403, code: 'AccessDenied' });
    assertError(await send(user, form(field('session_id', session), file('no.txt', 'no'))), 500, 'store_failed');
    await eventually(() => /AccessDenied: It is AccessDenied/.test(server.log()), 'the log says why');
    assert.ok(!server.log().includes(bucket.secretKey));
  });

  test('without the object says file_missing', async () => {
    const { bucket, user, session } = context;
    const { file_id: id } = await upload(user, session, 'lost.txt', 'x');
    bucket.objects.clear();
    const answer = await content(user, id);
    assertError({ status: answer.status, body: await answer.json() }, 404, 'file_missing');
  });
});

describe('the start with a bucket', () => {
  let bucket;
  before(async () => { bucket = await new Bucket().start(); });
  after(() => bucket.stop());

  test('sweeps old objects without a row, over several pages, and nothing else', async () => {
    const server = await startServer({ env: bucket.env('here') });
    try {
      const user = await server.user();
      const session = await newSession(user);
      for (let i = 0; i < 3; i += 1) await upload(user, session, `${i}.txt`, 'x');
      await server.stop();
      const key = (digit) => `here/${digit}${digit}/${digit.repeat(32)}`;
      const put = (name, hours) =>
        bucket.objects.set(name, { bytes: Buffer.from('x'), modified: new Date(Date.now() - hours * 3_600_000) });
      for (const digit of '01234567') put(key(digit), 25);
      put(key('a'), 23);
      put('here/readme.txt', 1000);
      put('there/00/'.concat('0'.repeat(32)), 1000);
      bucket.pageSize = 3;
      const again = await new Server(server.home, server.port).start();
      await eventually(() => /the file store was swept.*"orphans":8/.test(again.log()), 'it has swept');
      assert.deepEqual([...bucket.objects.keys()].filter((name) => /(.)\1{31}$/.test(name)),
        [key('a'), 'there/00/'.concat('0'.repeat(32))]);
      assert.equal(bucket.objects.size, 3 + 3);
      await again.stop();
      const check = await tidetalk(server.home, ['check', '--data']);
      assert.equal(check.code, 0, check.stdout + check.stderr);
      assert.match(check.stdout, /3 files/);
      bucket.objects.delete(bucket.objects.keys().next().value);
      const lost = await tidetalk(server.home, ['check', '--data']);
      assert.equal(lost.code, 1);
      assert.match(lost.stdout + lost.stderr, /s3:\/\/tides\/here/);
    } finally {
      server.home.remove();
    }
  });

  test('refuses when the bucket has files and the database has no users', async () => {
    bucket.objects.set(`full/00/${'0'.repeat(32)}`, { bytes: Buffer.from('x'), modified: new Date(0) });
    const home = makeHome({ env: bucket.env('full') });
    try {
      const start = await tidetalk(home, ['serve']);
      assert.equal(start.code, 2);
      assert.match(start.stderr, /s3:\/\/tides\/full has uploaded files \(1\)/);
      assert.equal(bucket.objects.has(`full/00/${'0'.repeat(32)}`), true);
    } finally {
      home.remove();
    }
  });

  test('says what is wrong with the settings, the key or the bucket', async () => {
    const cases = [
      [{ TIDETALK_FILES_URL: 's3://x' }, /files_url/],
      [{ TIDETALK_FILES_URL: 's3://tides/../up' }, /files_url/],
      [{ TIDETALK_FILES_URL: 's3://tides', TIDETALK_S3_ACCESS_KEY: '' }, /s3\.access_key/],
      [{ TIDETALK_S3_ENDPOINT: 'http://127.0.0.1/path' }, /s3\.endpoint.*without a path/],
      [{ TIDETALK_S3_SECRET_KEY_FILE: '/does/not/exist' }, /s3\.secret_key_file.*No such file/],
      [{ TIDETALK_S3_SECRET_KEY: 'wrong' }, /SignatureDoesNotMatch/],
      [{ TIDETALK_FILES_URL: 's3://ebbs' }, /NoSuchBucket/],
      [{ TIDETALK_S3_ENDPOINT: 'http://127.0.0.1:1' }, /S3 at http:\/\/127\.0\.0\.1:1/],
    ];
    for (const [env, text] of cases) {
      const home = makeHome({ env: { ...bucket.env('new'), ...env } });
      const start = await tidetalk(home, ['serve']);
      home.remove();
      assert.equal(start.code, 2, `${JSON.stringify(env)}: ${start.stdout}`);
      assert.match(start.stderr, text);
    }
  });
});
