// late
// covers: app/cli, account
// `tidetalk user`: accounts for the operator, beside a running server and without one.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { Client, uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { makeHome, startServer, tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

async function userCommand(home, args, input) {
  const { code, stdout, stderr } = await tidetalk(home, ['user', ...args], { input });
  return { code, stdout, stderr };
}

async function done(home, args, input) {
  const result = await userCommand(home, args, input);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

const login = (server, username, password) =>
  server.client().post('/api/login', { username, password });

describe('beside a running server', () => {
  const context = withServer();

  test('a fresh server has no account', async () => {
    const home = makeHome();
    const lines = (await done(home, ['list'])).trim().split('\n');
    assert.equal(lines.length, 1, 'only the heading');
    home.remove();
  });

  test('add makes an account that can log in', async () => {
    const { server } = context;
    const name = uniqueName('潮');
    await done(server.home, ['add', name, '--email', 'moon@example.org'], 'spring-tide\n');
    const answer = await login(server, name, 'spring-tide');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.user.email, 'moon@example.org');
    assert.match(await done(server.home, ['list']), new RegExp(`^\\d+ +${name} +user +false`, 'm'));
  });

  test('--admin makes an administrator', async () => {
    const { server } = context;
    const name = uniqueName();
    await done(server.home, ['add', name, '--admin'], 'spring-tide\n');
    assert.match(await done(server.home, ['list']), new RegExp(`${name} +admin`));
  });

  test('passwd changes the password and ends every login', async () => {
    const { server } = context;
    const user = await server.user();
    await done(server.home, ['passwd', user.user.username], 'neap-tide\n');
    assertError(await user.get('/api/me'), 401, 'invalid_token');
    assertError(await login(server, user.user.username, user.password), 401, 'invalid_credentials');
    assert.equal((await login(server, user.user.username, 'neap-tide')).status, 200);
  });

  test('disable ends every login and refuses new ones, enable lets in again', async () => {
    const { server } = context;
    const user = await server.user();
    const { username } = user.user;
    await done(server.home, ['disable', username]);
    assert.equal((await user.get('/api/me')).status, 401);
    assertError(await login(server, username, user.password), 403, 'account_disabled');
    assertError(await login(server, username, 'wrong one'), 401, 'invalid_credentials');
    await done(server.home, ['enable', username]);
    assert.equal((await login(server, username, user.password)).status, 200);
    assert.equal((await user.get('/api/me')).status, 401, 'old logins stay ended');
  });

  test('what cannot be done is told', async () => {
    const { server } = context;
    const { user } = await server.user();
    const cases = [
      [['add', user.username], 'spring-tide\n', new RegExp(user.username)],
      [['add', 'ab'], 'spring-tide\n', /username/],
      [['add', uniqueName()], 'short\n', /password/],
      [['add', uniqueName()], '', /password/],
      [['passwd', uniqueName()], 'spring-tide\n', /no such user/],
      [['disable', uniqueName()], '', /no such user/],
    ];
    for (const [args, input, told] of cases) {
      const { code, stderr } = await userCommand(server.home, args, input);
      assert.notEqual(code, 0, args.join(' '));
      assert.match(stderr, told);
    }
  });

  test('no password reaches the log', () => {
    assert.doesNotMatch(context.server.log(), /spring-tide|neap-tide/);
  });

  test('the admin socket is for its owner, and its routes are not public', async () => {
    const { server } = context;
    const { mode } = statSync(join(server.home.dataDir, 'admin.sock'));
    assert.equal(mode & 0o777, 0o600);
    const user = await server.user();
    for (const path of ['/admin/users', '/admin/status', '/admin/users/']) {
      assertError(await user.get(path), 404, 'not_found');
    }
    assertError(await user.post('/admin/users', { username: 'x', password: 'yyyyyy' }), 404, 'not_found');
  });
});

describe('without a server', () => {
  test('accounts are made, changed and listed all the same', async () => {
    const home = makeHome();
    const name = uniqueName();
    await done(home, ['add', name, '--admin'], 'spring-tide\n');
    await done(home, ['passwd', name], 'neap-tide\n');
    assert.match(await done(home, ['list']), new RegExp(`${name} +admin`));
    await done(home, ['disable', name]);
    assert.match(await done(home, ['list']), new RegExp(`${name} +admin +true`));
    await done(home, ['enable', name]);
    home.remove();
  });

  test('a server that starts afterwards knows them', async () => {
    const server = await startServer();
    await server.stop();
    const name = uniqueName();
    await done(server.home, ['add', name], 'spring-tide\n');
    await server.start();
    const client = new Client(server.url);
    const { token } = await client.ok('POST', '/api/login', { username: name, password: 'spring-tide' });
    client.token = token;
    assert.equal((await client.ok('GET', '/api/me')).role, 'user');
    await server.stop();
    server.home.remove();
  });
});
