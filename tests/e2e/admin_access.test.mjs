// late
// covers: app/admin, app/reload
// P21: who may use the admin listener, how often may be tried, and what is recorded.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe } from 'node:test';
import { admin } from './support/admin.mjs';
import { Bundle, helperScript, reload } from './support/bundle.mjs';
import { eventually, test, within } from './support/limits.mjs';
import { freePort } from './support/process.mjs';
import { makeHome, tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const TOKEN = 'a-token-of-more-than-16-characters';

/** fetch that may set Host and Origin. */
function ask(port, method, path, headers = {}) {
  return within(new Promise((done, failed) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => { text += piece; });
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, text, body: text && JSON.parse(text) }));
    });
    outgoing.on('error', failed);
    outgoing.end();
  }), `${method} ${path} is answered`);
}

const auditOf = async (server) => (await admin(server, 'GET', '/admin/audit')).body.data;

const port = await freePort();

describe('P21 the admin listener on a port', () => {
  const bundle = new Bundle();
  const context = withServer({
    env: { ...bundle.env, TIDETALK_ADMIN_LISTEN: `127.0.0.1:${port}`, TIDETALK_ADMIN_TOKEN: TOKEN },
  });
  const authorized = { Authorization: `Bearer ${TOKEN}` };

  test('is closed without its token, but for health', async () => {
    for (const path of ['/admin/status', '/admin/audit', '/metrics', '/admin/users', '/nowhere']) {
      assertError(await ask(port, 'GET', path), 401, 'unauthorized');
    }
    assertError(await ask(port, 'POST', '/admin/reload'), 401, 'unauthorized');
    assert.equal((await ask(port, 'GET', '/livez')).status, 200);
    assert.equal((await ask(port, 'GET', '/readyz')).status, 200);
  });

  test('is open with it, and tells who did what', async () => {
    assert.equal((await ask(port, 'GET', '/admin/status', authorized)).status, 200);
    bundle.put('lib/helper.lua', helperScript(2));
    const answer = await ask(port, 'POST', '/admin/reload', authorized);
    assert.equal(answer.status, 200, answer.text);
    const rows = await eventually(async () => {
      const { body } = await ask(port, 'GET', '/admin/audit', authorized);
      return body.data.length > 0 && body.data;
    }, 'the reload is recorded');
    assert.equal(rows[0].who, 'token');
    assert.equal(rows[0].action, 'POST /admin/reload');
    assert.equal(rows[0].scripts, answer.body.hash);
    assert.deepEqual(rows[0].changed, ['lib/helper.lua']);
  });

  test('the command line has the token from the settings', async () => {
    const { code, stdout } = await tidetalk(context.server.home, ['reload']);
    assert.equal(code, 0);
    assert.match(stdout, /^unchanged/);
  });

  test('wrong tokens are limited', async () => {
    let limited;
    for (let i = 0; i < 12 && !limited; i += 1) {
      const answer = await ask(port, 'GET', '/admin/status', { Authorization: `Bearer ${TOKEN.slice(0, -1)}${i % 10}` });
      if (answer.status === 429) limited = answer;
      else assertError(answer, 401, 'unauthorized');
    }
    assertError(limited, 429, 'too_many_requests');
    assert.ok(Number(limited.headers['retry-after']) > 0);
    assertError(await ask(port, 'GET', '/admin/status', authorized), 429, 'too_many_requests');
    assert.equal((await ask(port, 'GET', '/livez')).status, 200);
    assert.ok(!context.server.log().includes(TOKEN), 'the token is in no log');
  });
});

describe('P21 a start without a good token', () => {
  for (const [name, env, expected] of [
    ['no token', {}, /token of at least 16/],
    ['a short one', { TIDETALK_ADMIN_TOKEN: 'short' }, /token of at least 16/],
    ['a file that is not there', { TIDETALK_ADMIN_TOKEN_FILE: '/nowhere/token' }, /nowhere\/token/],
    ['an address of the world', { TIDETALK_ADMIN_LISTEN: '0.0.0.0:1', TIDETALK_ADMIN_TOKEN: TOKEN }, /admin\.listen: needs/],
  ]) {
    test(`${name}: refused`, async () => {
      const home = makeHome({ port: await freePort(), env: { TIDETALK_ADMIN_LISTEN: '127.0.0.1:0', ...env } });
      const { code, stderr } = await tidetalk(home, ['serve']);
      assert.equal(code, 2);
      assert.match(stderr, expected);
      home.remove();
    });
  }

  test('a token may stand in a file', async () => {
    const home = makeHome({ env: { TIDETALK_ADMIN_LISTEN: '127.0.0.1:0' } });
    const file = join(home.folder, 'token');
    writeFileSync(file, `${TOKEN}\n`);
    const { code, stderr } = await tidetalk(home, ['config', 'show'], { env: { TIDETALK_ADMIN_TOKEN_FILE: file } });
    assert.equal(code, 0, stderr);
    home.remove();
  });
});

describe('P21 the admin socket', () => {
  const bundle = new Bundle();
  const context = withServer({ env: { ...bundle.env, TIDETALK_ADMIN_PORT_LIFE: '4s' } });

  test('records who reloaded, what became of it and which files', async () => {
    bundle.put('lib/helper.lua', helperScript(2));
    await reload(context.server);
    bundle.put('lib/helper.lua', 'return');
    await reload(context.server);
    bundle.put('lib/helper.lua', helperScript(2));
    const rows = await eventually(async () => {
      const all = await auditOf(context.server);
      return all.length >= 2 && all;
    }, 'both reloads are recorded');
    assert.deepEqual(rows.map((row) => [row.status, row.code]), [[422, 'scripts_invalid'], [200, '']]);
    assert.equal(rows[1].who, `uid:${process.getuid()}`);
    assert.deepEqual(rows[1].changed, ['lib/helper.lua']);
    assert.match(rows[1].created_at, /^\d{4}-.*Z$/);
    const logged = context.server.log().split('\n').filter((line) => line.includes('"POST /admin/reload"'));
    assert.equal(logged.length, 2);
  });

  test('reading is not recorded', async () => {
    const before = (await auditOf(context.server)).length;
    await admin(context.server, 'GET', '/admin/status');
    assert.equal((await auditOf(context.server)).length, before);
  });

  test('tidetalk admin opens a port for one browser, for a while', async () => {
    const { code, stdout } = await tidetalk(context.server.home, ['admin']);
    assert.equal(code, 0);
    const url = new URL(stdout.trim());
    const { port } = url;
    const enter = `${url.pathname}${url.search}`;
    assert.equal(url.hostname, '127.0.0.1');
    const own = { Host: `127.0.0.1:${port}` };

    // Not by another name of the loopback, not from another site, not without the key.
    assertError(await ask(port, 'GET', enter, { Host: `evil.example:${port}` }), 403, 'forbidden');
    assertError(await ask(port, 'GET', enter, { ...own, Origin: 'http://evil.example' }), 403, 'forbidden');
    assertError(await ask(port, 'GET', enter, { ...own, 'Sec-Fetch-Site': 'cross-site' }), 403, 'forbidden');
    assertError(await ask(port, 'GET', '/admin/status', own), 401, 'unauthorized');
    assertError(await ask(port, 'GET', '/?key=0123456789abcdef0123456789abcdef', own), 401, 'unauthorized');

    const entered = await ask(port, 'GET', enter, own);
    assert.equal(entered.status, 303);
    const [cookie] = entered.headers['set-cookie'][0].split(';');
    assert.match(entered.headers['set-cookie'][0], /HttpOnly; SameSite=Strict/);
    assertError(await ask(port, 'GET', enter, own), 401, 'unauthorized'); // once only

    assert.equal((await ask(port, 'GET', '/admin/status', { ...own, Cookie: cookie })).status, 200);
    assertError(await ask(port, 'POST', '/admin/reload', { ...own, Cookie: cookie, Origin: 'http://evil.example' }), 403, 'forbidden');
    assert.equal((await ask(port, 'POST', '/admin/reload', { ...own, Cookie: cookie, Origin: `http://127.0.0.1:${port}` })).status, 200);
    const rows = await eventually(async () => {
      const all = await auditOf(context.server);
      return all[0].who === 'page' && all;
    }, 'it is recorded');
    assert.equal(rows[1].action, 'POST /admin/port');

    await eventually(() => ask(port, 'GET', '/livez', own).then(() => false, () => true), 'the port closes');
    assert.equal((await context.server.client().get('/version')).status, 200);
  });
});

describe('P21 the routes of the scripts on the admin listener', () => {
  const context = withServer();

  test('are recorded as well', async () => {
    await admin(context.server, 'POST', '/admin/users', { username: 'audited', password: 'high-tide' });
    await admin(context.server, 'POST', '/admin/users', { username: 'audited', password: 'high-tide' });
    const rows = await eventually(async () => {
      const all = await auditOf(context.server);
      return all.length >= 2 && all;
    }, 'both are recorded');
    assert.equal(rows[0].action, 'POST /admin/users');
    assert.equal(rows[0].status, 409);
    assert.notEqual(rows[0].code, '');
    assert.equal(rows[1].status, 200);
    assert.ok(!JSON.stringify(rows).includes('high-tide'));
  });
});
