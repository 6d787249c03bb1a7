// late
// reloads
// postgres
// covers: account, web
// smoke
// Accounts: register, log in, who am I, log out, change the password.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { PASSWORD, uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { rawRequest } from './support/raw.mjs';
import { tidetalk } from './support/server.mjs';
import { TIME, assertError, keysOf, withServer } from './support/suite.mjs';

const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** What every worker answers: connections are spread over them by their source port. */
async function onManyConnections(server, method, path, options) {
  const answers = await Promise.all(
    Array.from({ length: 16 }, () => rawRequest(server.port, method, path, options)),
  );
  return answers.map((answer) => answer.status);
}

describe('register', () => {
  const context = withServer();

  test('answers message, token and user, and the token works', async () => {
    const client = context.server.client();
    const username = uniqueName();
    const body = await client.ok('POST', '/api/register', {
      username, password: PASSWORD, email: 'moon@example.org',
    });
    assert.deepEqual(keysOf(body), ['message', 'token', 'user']);
    assert.deepEqual(keysOf(body.user), ['created_at', 'email', 'id', 'username']);
    assert.equal(typeof body.user.id, 'number');
    assert.equal(body.user.username, username);
    assert.equal(body.user.email, 'moon@example.org');
    assert.match(body.user.created_at, TIME);
    client.token = body.token;
    assert.deepEqual(await client.ok('GET', '/api/profile'), body.user);
    assert.equal((await client.ok('GET', '/api/me')).user_id, body.user.id);
  });

  test('the token is a JWT with the documented claims', async () => {
    const client = await context.server.user();
    const [header, claims, signature] = client.token.split('.');
    assert.equal(decode(header).alg, 'HS256');
    assert.ok(signature);
    const { sub, username, role, iat, exp, jti } = decode(claims);
    assert.equal(sub, client.user.id);
    assert.equal(username, client.user.username);
    assert.equal(role, 'user');
    assert.equal(exp - iat, 24 * 60 * 60);
    assert.equal(typeof jti, 'string');
  });

  test('lengths are counted in characters', async () => {
    const client = context.server.client();
    const unique = uniqueName('').replaceAll('-', '潮');
    const cases = [
      ['潮聊', PASSWORD, 400],
      ['潮聊!', PASSWORD, 200],
      [unique.padEnd(50, '潮'), PASSWORD, 200],
      [unique.padEnd(51, '聊'), PASSWORD, 400],
      [uniqueName(), '12345', 400],
      [uniqueName(), '🌊🌊🌊🌊🌊', 400],
      [uniqueName(), '🌊🌊🌊🌊🌊🌊', 200],
      [uniqueName(), '潮'.repeat(100), 200],
      [uniqueName(), '潮'.repeat(101), 400],
    ];
    for (const [username, password, status] of cases) {
      const answer = await client.post('/api/register', { username, password });
      assert.equal(answer.status, status, `${username} / ${password}: ${answer.text}`);
      if (status === 400) assert.equal(answer.body.code, 'invalid_field');
    }
  });

  test('what is missing, null or empty is named', async () => {
    const client = context.server.client();
    for (const body of [
      { username: uniqueName() },
      { username: uniqueName(), password: '' },
      { username: uniqueName(), password: null },
    ]) {
      const error = assertError(await client.post('/api/register', body), 400, 'missing_field');
      assert.match(error.error, /password/);
    }
  });

  test('a taken name is 409, also when two ask at once', async () => {
    const client = context.server.client();
    const username = uniqueName();
    const both = await Promise.all([1, 2].map(
      () => client.post('/api/register', { username, password: PASSWORD }),
    ));
    assert.deepEqual(both.map((answer) => answer.status).sort(), [200, 409]);
    const third = await client.post('/api/register', { username, password: 'another one' });
    assertError(third, 409, 'username_taken');
  });
});

describe('log in and out', () => {
  const context = withServer();

  test('log in answers as register does', async () => {
    const client = await context.server.user();
    const body = await context.server.client().ok('POST', '/api/login', {
      username: client.user.username, password: PASSWORD,
    });
    assert.deepEqual(keysOf(body), ['message', 'token', 'user']);
    assert.deepEqual(body.user, client.user);
    assert.notEqual(body.token, client.token);
  });

  test('an unknown user and a wrong password look the same', async () => {
    const { user } = await context.server.user();
    const client = context.server.client();
    const wrong = await client.post('/api/login', { username: user.username, password: 'low-tide' });
    const unknown = await client.post('/api/login', { username: uniqueName(), password: PASSWORD });
    assertError(wrong, 401, 'invalid_credentials');
    assert.deepEqual(
      { ...unknown.body, request_id: '' }, { ...wrong.body, request_id: '' },
    );
  });

  test('without a token, or with one that is not ours, 401 says how', async () => {
    const client = await context.server.user();
    const [header, claims, signature] = client.token.split('.');
    const forged = encode({ ...decode(claims), sub: client.user.id + 1 });
    const refused = [
      null, 'Bearer', 'Bearer ', 'Bearer x', `Basic ${client.token}`,
      `Bearer ${header}.${claims}.`,
      `Bearer ${header}.${claims}.${signature.slice(0, -2)}`,
      `Bearer ${header}.${forged}.${signature}`,
      `Bearer ${encode({ alg: 'none', typ: 'JWT' })}.${claims}.`,
      `Bearer ${encode({ alg: 'HS512', typ: 'JWT' })}.${claims}.${signature}`,
    ];
    for (const authorization of refused) {
      const answer = await client.get('/api/profile', { headers: { Authorization: authorization } });
      assert.equal(answer.status, 401, String(authorization));
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/);
      assert.ok(['unauthorized', 'invalid_token'].includes(answer.body.code), answer.body.code);
    }
  });

  test('a token that was logged out is refused by every worker at once', async () => {
    const client = await context.server.user();
    const other = await client.again();
    const { token } = client;
    assert.deepEqual(new Set(await onManyConnections(context.server, 'GET', '/api/me', { token })),
      new Set([200]));
    assert.equal(typeof (await client.ok('POST', '/api/logout', {})).message, 'string');
    assert.deepEqual(new Set(await onManyConnections(context.server, 'GET', '/api/me', { token })),
      new Set([401]));
    await other.ok('GET', '/api/me');
  });
});

describe('change the password', () => {
  const context = withServer();
  const change = (client, oldPassword, newPassword) => client.post('/api/update-password', {
    old_password: oldPassword, new_password: newPassword,
  });
  const workersAnswer = async ({ token }) =>
    [...new Set(await onManyConnections(context.server, 'GET', '/api/me', { token }))];

  test('all other tokens of the user end, on every worker', async () => {
    const client = await context.server.user();
    const bystander = await context.server.user();
    const { token } = await client.again();
    const answer = await change(client, PASSWORD, '新的密码🌊!');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(typeof answer.body.message, 'string');
    assert.deepEqual(new Set(await onManyConnections(context.server, 'GET', '/api/me', { token })),
      new Set([401]));
    await bystander.ok('GET', '/api/me');
    const login = (password) => context.server.client().post('/api/login', {
      username: client.user.username, password,
    });
    assertError(await login(PASSWORD), 401, 'invalid_credentials');
    assert.equal((await login('新的密码🌊!')).status, 200);
  });

  test('the token that changed it stays valid, unchanged, on every worker', async () => {
    const client = await context.server.user();
    const { token } = client;
    const answer = await change(client, PASSWORD, 'spring-tide');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.token, token);
    assert.deepEqual(await workersAnswer({ token }), [200]);
  });

  test('it may be changed again with the same token', async () => {
    const client = await context.server.user();
    const { token } = client;
    for (const [before, after] of [[PASSWORD, 'spring-tide'], ['spring-tide', 'neap-tide']]) {
      const answer = await change(client, before, after);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(await workersAnswer({ token }), [200]);
    }
  });

  test('changed from another device, it ends the token that survived before', async () => {
    const first = await context.server.user();
    assert.equal((await change(first, PASSWORD, 'spring-tide')).status, 200);
    const second = await first.again('spring-tide');
    assert.equal((await change(second, 'spring-tide', 'neap-tide')).status, 200);
    assert.deepEqual(await workersAnswer(first), [401]);
    assert.deepEqual(await workersAnswer(second), [200]);
  });

  test('of two devices that change it at once, one wins and the other is out or told so', async () => {
    const devices = [await context.server.user()];
    devices.push(await devices[0].again());
    const answers = await Promise.all(devices.map((one, i) => change(one, PASSWORD, `spring-tide-${i}`)));
    const winner = answers.findIndex((answer) => answer.status === 200);
    assert.notEqual(winner, -1);
    const loser = answers[1 - winner];
    assert.ok([401, 409].includes(loser.status), loser.text);
    assert.deepEqual(await workersAnswer(devices[winner]), [200]);
    assert.deepEqual(await workersAnswer(devices[1 - winner]), [401]);
    await devices[winner].again(`spring-tide-${winner}`);
  });

  test('a log out ends the surviving token, and so does the operator', async () => {
    const out = await context.server.user();
    assert.equal((await change(out, PASSWORD, 'spring-tide')).status, 200);
    await out.ok('POST', '/api/logout', {});
    assert.deepEqual(await workersAnswer(out), [401]);

    const client = await context.server.user();
    assert.equal((await change(client, PASSWORD, 'spring-tide')).status, 200);
    for (const verb of ['disable', 'enable']) {
      const { code, stderr } = await tidetalk(context.server.home, ['user', verb, client.user.username]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await workersAnswer(client), [401]);
    }
  });

  test('a wrong old password changes nothing', async () => {
    const client = await context.server.user();
    assertError(await change(client, 'low-tide', 'spring-tide'), 401, 'wrong_password');
    assertError(await change(client, PASSWORD, 'short'), 400, 'invalid_field');
    await client.ok('GET', '/api/me');
    await client.again();
  });
});

describe('after a restart', () => {
  const context = withServer();

  test('the token that changed the password is valid and the others are not', async () => {
    const client = await context.server.user();
    const other = await client.again();
    await client.ok('POST', '/api/update-password', { old_password: PASSWORD, new_password: 'spring-tide' });
    await context.server.stop();
    await context.server.start();
    await client.ok('GET', '/api/me');
    assertError(await other.get('/api/me'), 401, 'invalid_token');
  });
});

describe('with registration closed', () => {
  const context = withServer({ env: { TIDETALK_REGISTRATION: 'false' } });

  test('nobody gets in but by the operator', async () => {
    const username = uniqueName();
    const client = context.server.client();
    assertError(await client.post('/api/register', { username, password: PASSWORD }), 403, 'registration_closed');
    const { code } = await tidetalk(context.server.home, ['user', 'add', username], { input: `${PASSWORD}\n` });
    assert.equal(code, 0);
    await client.ok('POST', '/api/login', { username, password: PASSWORD });
  });
});

describe('tokens with a short life', () => {
  const context = withServer({ env: { TIDETALK_TOKEN_TTL: '2s' } });

  test('end by themselves', async () => {
    const client = await context.server.user();
    const refused = await eventually(async () => {
      const answer = await client.get('/api/me');
      return answer.status === 401 && answer;
    }, 'the token expires');
    assertError(refused, 401, 'token_expired');
  });
});
