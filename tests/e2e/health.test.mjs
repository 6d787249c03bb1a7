// covers: app, app/admin, app/cli
// Whether it lives, whether it is ready, and what the command line says about it.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { admin } from './support/admin.mjs';
import { test } from './support/limits.mjs';
import { freePort } from './support/process.mjs';
import { makeHome, startServer, tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('health', () => {
  const context = withServer();

  test('livez and readyz answer without a token', async () => {
    for (const path of ['/livez', '/readyz']) {
      const answer = await context.server.client().get(path);
      assert.equal(answer.status, 200, path);
      assert.equal(typeof answer.body.status, 'string');
      assert.ok(answer.headers.get('x-request-id'), path);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
    }
  });

  test('HEAD is answered like GET, without a body', async () => {
    const answer = await context.server.client().request('HEAD', '/readyz');
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '');
  });

  test('another method is 405 with Allow, on every route of the core, in both languages', async () => {
    const { server } = context;
    for (const [path, method, allow] of [
      ['/livez', 'POST', 'GET, HEAD, OPTIONS'],
      ['/readyz', 'DELETE', 'GET, HEAD, OPTIONS'],
      ['/metrics', 'POST', 'GET, HEAD, OPTIONS'],
      ['/admin/status', 'POST', 'GET, HEAD, OPTIONS'],
      ['/admin/audit', 'PUT', 'GET, HEAD, OPTIONS'],
      ['/admin/generations', 'POST', 'GET, HEAD, OPTIONS'],
      ['/admin/reload', 'GET', 'POST, OPTIONS'],
      ['/admin/rollback', 'GET', 'POST, OPTIONS'],
      ['/admin/port', 'GET', 'POST, OPTIONS'],
    ]) {
      const answer = await admin(server, method, path);
      assertError(answer, 405, 'method_not_allowed');
      assert.equal(answer.headers.allow, allow, path);
      if (!/^.(livez|readyz)/.test(path)) {
        assertError(await server.client().request(method, path), 404, 'not_found');
      }
    }
    for (const path of ['/livez', '/readyz/']) {
      const english = await server.client().post(path, {});
      assertError(english, 405, 'method_not_allowed');
      assert.equal(english.headers.get('allow'), 'GET, HEAD, OPTIONS');
      const chinese = await server.client().post(path, {}, { headers: { 'Accept-Language': 'zh-CN' } });
      assert.match(chinese.body.error, /[\u4e00-\u9fff]/);
    }
  });

  test('tidetalk health is 0 for a server that is ready', async () => {
    const { code, stdout } = await tidetalk(context.server.home, ['health']);
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).status, 'ready');
  });

  test('the log is one JSON object a line', async () => {
    await context.server.client().get('/api/me');
    const lines = context.server.log().trim().split('\n').map((line) => JSON.parse(line));
    const request = lines.reverse().find((line) => line.route === '/api/me');
    assert.equal(request.method, 'GET');
    assert.equal(request.status, 401);
    assert.equal(request.generation, 1);
    assert.equal(typeof request.request_id, 'string');
    assert.equal(typeof request.duration_us, 'number');
  });
});

describe('without a server', () => {
  test('tidetalk health is 1', async () => {
    const home = makeHome({ port: await freePort() });
    const { code, stderr } = await tidetalk(home, ['health']);
    assert.equal(code, 1);
    assert.match(stderr, /127\.0\.0\.1/);
    home.remove();
  });
});

describe('a server that ended', () => {
  test('starts again on the same folder, and its users are still there', async () => {
    const first = await startServer();
    const user = await first.user();
    await first.stop();
    const second = await first.start();
    await user.ok('GET', '/api/profile');
    await second.stop();
    second.home.remove();
  });

  test('starts again after SIGKILL too', async () => {
    const server = await startServer();
    const user = await server.user();
    await server.kill();
    await server.start();
    await user.ok('GET', '/api/profile');
    await server.stop();
    server.home.remove();
  });
});
