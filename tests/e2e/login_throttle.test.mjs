// covers: account, app/cli, lua/account, lua/policy
// Guessing passwords and making accounts becomes slow, by account and address; who has logged in from
// there before is let in first.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { adminText } from './support/admin.mjs';
import { PASSWORD, uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const PAIR_FREE = 10; // attempts, see lua/policy/login.lua
const ADDRESS_FREE = 50;

const from = (address) => ({ headers: { 'X-Forwarded-For': address } });
const login = (server, username, password, address) => server.client()
  .post('/api/login', { username, password }, address && from(address));

/** Guesses until a guess is not even looked at; how many were. */
async function guessUntilThrottled(server, username, address) {
  for (let guess = 0; guess <= PAIR_FREE; guess += 1) {
    const answer = await login(server, username, 'wrong one', address);
    if (answer.status === 429) {
      assertError(answer, 429, 'login_throttled');
      assert.ok(Number(answer.headers.get('retry-after')) >= 1);
      return guess;
    }
    assertError(answer, 401, 'invalid_credentials');
  }
  return assert.fail('every guess is looked at');
}

describe('behind a proxy', () => {
  const context = withServer({ env: { TIDETALK_TRUSTED_PROXIES: '127.0.0.1/32' } });

  test('guesses at one account are slowed, from that address only', async () => {
    const { server } = context;
    const { user: { username } } = await server.user();
    assert.equal(await guessUntilThrottled(server, username, '203.0.113.1'), PAIR_FREE);
    assertError(await login(server, username, PASSWORD, '203.0.113.1'), 429, 'login_throttled');
    assert.equal((await login(server, username, PASSWORD, '203.0.113.2')).status, 200);
    assert.equal(await guessUntilThrottled(server, uniqueName(), '203.0.113.1'), PAIR_FREE,
      'another account has a count of its own');
  });

  test('many at once gain nothing', async () => {
    const { server } = context;
    const { user: { username } } = await server.user();
    const answers = await Promise.all(Array.from({ length: 3 * PAIR_FREE },
      () => login(server, username, 'wrong one', '203.0.113.9')));
    assert.equal(answers.filter(({ status }) => status === 401).length, PAIR_FREE);
  });

  test('an IPv6 customer has one count', async () => {
    const { server } = context;
    const username = uniqueName();
    for (let i = 0; i < PAIR_FREE; i += 1) {
      assert.equal((await login(server, username, 'wrong one', `2001:db8:1:2::${i + 1}`)).status, 401);
    }
    assert.equal((await login(server, username, 'wrong one', '2001:db8:1:2:ffff::9')).status, 429);
    assert.equal((await login(server, username, 'wrong one', '2001:db8:1:3::1')).status, 401);
  });

  test('many accounts from one address are slowed, but not who logged in from there', async () => {
    const { server } = context;
    const address = '203.0.113.77';
    const honest = await server.user();
    assert.equal((await login(server, honest.user.username, PASSWORD, address)).status, 200);
    for (let i = 0; i < ADDRESS_FREE; i += 1) {
      assert.equal((await login(server, uniqueName(), 'wrong one', address)).status, 401, `guess ${i}`);
    }
    assertError(await login(server, uniqueName(), 'wrong one', address), 429, 'login_throttled');
    assert.equal((await login(server, honest.user.username, PASSWORD, address)).status, 200);
  });

  test('a right password takes the guesses back', async () => {
    const { server } = context;
    const { user: { username } } = await server.user();
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < PAIR_FREE - 1; i += 1) {
        assert.equal((await login(server, username, 'wrong one', '203.0.113.3')).status, 401);
      }
      assert.equal((await login(server, username, PASSWORD, '203.0.113.3')).status, 200);
    }
  });

  test('the operator unlocks', async () => {
    const { server } = context;
    const { user: { username } } = await server.user();
    await guessUntilThrottled(server, username, '203.0.113.4');
    const { code, stdout, stderr } = await tidetalk(server.home, ['user', 'unlock', username]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`unlock: ${username}`));
    assert.equal((await login(server, username, PASSWORD, '203.0.113.4')).status, 200);
  });

  test('new accounts are slowed', async () => {
    const { server } = context;
    const register = (address) => server.client().post('/api/register',
      { username: uniqueName(), password: PASSWORD }, from(address));
    let made = 0;
    let answer;
    for (answer = await register('203.0.113.5'); answer.status === 200; made += 1) {
      answer = await register('203.0.113.5');
    }
    assert.equal(made, 20);
    assertError(answer, 429, 'login_throttled');
    assert.equal((await register('203.0.113.6')).status, 200);
  });

  test('refusals are counted', async () => {
    const { text } = await adminText(context.server, 'GET', '/metrics');
    assert.match(text, /^tidetalk_requests_refused_total\{code="login_throttled"\} [1-9]/m);
  });
});

describe('without trusted_proxies', () => {
  const context = withServer();

  test('the loopback is not slowed as an address, and the log says so', async () => {
    const { server } = context;
    const { user: { username } } = await server.user();
    for (let i = 0; i < ADDRESS_FREE + 5; i += 1) {
      assert.equal((await login(server, uniqueName(), 'wrong one')).status, 401, `guess ${i}`);
    }
    await eventually(() => /not slowed by address.*trusted_proxies/.test(server.log()), 'it is told');
    assert.equal(await guessUntilThrottled(server, username), PAIR_FREE, 'the account is');
  });
});
