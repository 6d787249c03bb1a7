// late
// covers: account, doors
// Personal API keys: shown once, good for the OpenAI routes only, ended at once on every worker.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { PASSWORD } from './support/client.mjs';
import { databaseBytes } from './support/databases.mjs';
import { eventually, test } from './support/limits.mjs';
import { admin } from './support/admin.mjs';
import { TIME, assertError, keysOf, withServer } from './support/suite.mjs';

describe('personal API keys', () => {
  const context = withServer();
  const bearer = (key) => ({ headers: { Authorization: `Bearer ${key}` } });

  /** The statuses that a key gets from both workers: each connection may meet another one. */
  const statuses = async (key) => {
    const answers = await Promise.all(Array.from({ length: 16 }, () =>
      context.server.client().get('/v1/models', bearer(key))));
    return [...new Set(answers.map((answer) => answer.status))];
  };

  test('are shown once and listed without their secret', async () => {
    const user = await context.server.user();
    assert.deepEqual((await user.ok('GET', '/api/keys')).data, []);
    const first = await user.ok('POST', '/api/keys', { name: 'laptop 潮' });
    assert.deepEqual(keysOf(first), ['created_at', 'id', 'key', 'last_used_at', 'name', 'prefix']);
    assert.match(first.key, /^sk-tide-[0-9a-f]{72}$/);
    assert.ok(first.key.startsWith(first.prefix) && first.prefix.length < 16);
    assert.match(first.created_at, TIME);
    const second = await user.ok('POST', '/api/keys', { name: 'laptop 潮' });
    assert.notEqual(second.key, first.key);
    const { data } = await user.ok('GET', '/api/keys');
    assert.deepEqual(data.map((key) => key.id), [second.id, first.id]);
    assert.deepEqual(keysOf(data[0]), ['created_at', 'id', 'last_used_at', 'name', 'prefix']);
    assert.equal(data[1].name, 'laptop 潮');
    // Neither the database nor the log holds the key.
    const bytes = databaseBytes(context.server.home);
    assert.ok(bytes.includes(first.prefix));
    assert.ok(!bytes.includes(first.key.slice(14)));
    assert.ok(!context.server.log().includes(first.key.slice(14)));
  });

  test('open the OpenAI routes and nothing else', async () => {
    const user = await context.server.user();
    const { key } = await user.ok('POST', '/api/keys', { name: 'a' });
    assert.deepEqual(await statuses(key), [200]);
    const other = context.server.client();
    for (const [method, path] of [['GET', '/api/profile'], ['GET', '/api/keys'], ['POST', '/api/keys'],
      ['POST', '/api/logout'], ['GET', '/api/chat/sessions']]) {
      const body = method === 'POST' ? { name: 'more' } : undefined;
      assertError(await other.request(method, path, body, bearer(key)), 401, 'api_key_not_accepted');
    }
    // Nor as a cookie, which a browser would send by itself.
    const cookie = await other.get('/v1/models', { headers: { Cookie: `access_token=${key}` } });
    assert.equal(cookie.status, 401);
    assert.equal((await user.ok('GET', '/api/keys')).data.length, 1);
  });

  test('that are wrong in any place are refused', async () => {
    const user = await context.server.user();
    const { key } = await user.ok('POST', '/api/keys', { name: 'a' });
    const flip = (at) => key.slice(0, at) + (key[at] === 'a' ? 'b' : 'a') + key.slice(at + 1);
    const wrong = [flip(8), flip(40), flip(key.length - 1), key.slice(0, -1), `${key}0`,
      key.toUpperCase(), 'sk-tide-', `sk-tide-${'0'.repeat(72)}`];
    for (const bad of wrong) {
      const answer = await context.server.client().get('/v1/models', bearer(bad));
      assert.equal(answer.status, 401, bad);
    }
    assert.deepEqual(await statuses(key), [200]);
  });

  test('note when they were used last', async () => {
    const user = await context.server.user();
    const { key, id } = await user.ok('POST', '/api/keys', { name: 'a' });
    const used = async () => (await user.ok('GET', '/api/keys')).data.find((one) => one.id === id).last_used_at;
    assert.equal(await used(), null);
    assert.equal((await user.get('/v1/models', bearer(key))).status, 200);
    const first = await used();
    assert.match(first, TIME);
    // Not with every request: it is noted to the minute.
    assert.equal((await user.get('/v1/models', bearer(key))).status, 200);
    assert.equal(await used(), first);
  });

  test('end at once when they are deleted', async () => {
    const user = await context.server.user();
    const kept = await user.ok('POST', '/api/keys', { name: 'kept' });
    const gone = await user.ok('POST', '/api/keys', { name: 'gone' });
    assert.deepEqual(await statuses(gone.key), [200]);
    await user.ok('DELETE', `/api/keys/${gone.id}`);
    assert.deepEqual(await statuses(gone.key), [401]);
    assert.deepEqual(await statuses(kept.key), [200]);
    assertError(await user.delete(`/api/keys/${gone.id}`), 404, 'key_not_found');
    assertError(await user.delete('/api/keys/x'), 400, 'invalid_field');
  });

  test('end with a new password and with the account, not with a logout', async () => {
    const user = await context.server.user();
    const { key } = await user.ok('POST', '/api/keys', { name: 'a' });
    await (await user.again()).ok('POST', '/api/logout', {});
    assert.deepEqual(await statuses(key), [200]);
    await user.ok('POST', '/api/update-password', { old_password: PASSWORD, new_password: 'low-tide' });
    assert.deepEqual(await statuses(key), [401]);
    assert.deepEqual((await user.ok('GET', '/api/keys')).data, []);
    const next = await user.ok('POST', '/api/keys', { name: 'b' });
    for (const disabled of [true, false]) {
      const answer = await admin(context.server, 'PATCH', `/admin/users/${user.user.username}`, { disabled });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(await statuses(next.key), [401], 'an account that is enabled again does not bring keys back');
    }
  });

  test('are limited in number, also when many are made at once', async () => {
    const user = await context.server.user();
    const make = () => user.post('/api/keys', { name: 'many' });
    const answers = await Promise.all(Array.from({ length: 110 }, make));
    const made = answers.filter((answer) => answer.status === 200).length;
    assert.equal(made, 100);
    for (const answer of answers.filter((one) => one.status !== 200)) assertError(answer, 422, 'too_many_keys');
    await eventually(async () => (await user.ok('GET', '/api/keys')).data.length === 100, 'all are listed');
    assertError(await user.post('/api/keys', {}), 400, 'missing_field');
    assertError(await user.post('/api/keys', { name: 'a\nb' }), 400, 'invalid_field');
  });
});
