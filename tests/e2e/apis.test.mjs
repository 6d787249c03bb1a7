// late
// covers: models, upstream
// A user's own API configurations.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, keysOf, withServer } from './support/suite.mjs';

const FIELDS = {
  api_name: 'mine', api_key: 'sk-abcdefghijklmnop', model_name: 'gpt-x', base_url: 'http://127.0.0.1:9/v1',
};
const NOTHING_OF_ITS_OWN = { headers: {}, key_count: 1, options: {}, refused: [], upstream_model: '' };
const KEYS = ['api_key', 'api_name', 'base_url', 'created_at', 'deadlines', 'headers', 'id', 'key_count',
  'model_name', 'options', 'provider', 'refused', 'updated_at', 'upstream_model'];
const NO_DEADLINES = { connect: 0, first_byte: 0, between: 0, total: 0 };
const PLAIN_TIME = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/;

describe('configurations', () => {
  const context = withServer({ env: LOOPBACK });

  const create = (user, more) => user.ok('POST', '/api/user/apis', { ...FIELDS, ...more });

  test('a new one comes back whole, its key masked', async () => {
    const user = await context.server.user();
    const body = await create(user);
    assert.deepEqual(keysOf(body), ['api', 'message']);
    assert.deepEqual(keysOf(body.api), KEYS);
    const { id, created_at: created, updated_at: updated, ...rest } = body.api;
    assert.equal(typeof id, 'number');
    assert.match(created, PLAIN_TIME);
    assert.match(updated, PLAIN_TIME);
    assert.deepEqual(rest, {
      ...FIELDS, api_key: 'sk-…mnop', provider: 'openai', deadlines: NO_DEADLINES, ...NOTHING_OF_ITS_OWN,
    });
  });

  test('masks never show more than the last four, of short keys nothing', async () => {
    const user = await context.server.user();
    for (const [key, mask] of [
      ['sk-0123456789abcdef', 'sk-…cdef'], ['0123456789abcdef', '…cdef'], ['sk-short', 'sk-…'], ['x', '…'],
    ]) {
      const { api } = await create(user, { api_name: `key ${key.length}`, api_key: key });
      assert.equal(api.api_key, mask);
    }
  });

  test('the list is newest first, with a count', async () => {
    const user = await context.server.user();
    assert.deepEqual(await user.ok('GET', '/api/user/apis'), { apis: [], count: 0 });
    const made = [];
    for (const name of ['一', '二', '三']) made.unshift((await create(user, { api_name: name })).api);
    assert.deepEqual(await user.ok('GET', '/api/user/apis'), { apis: made, count: 3 });
  });

  test('first is the oldest', async () => {
    const user = await context.server.user();
    assertError(await user.get('/api/user/apis/first'), 404, 'api_not_found');
    const { api: oldest } = await create(user, { api_name: 'a' });
    await create(user, { api_name: 'b' });
    assert.deepEqual(await user.ok('GET', '/api/user/apis/first'), { api: oldest });
    await user.ok('DELETE', `/api/user/apis/${oldest.id}`);
    assert.equal((await user.ok('GET', '/api/user/apis/first')).api.api_name, 'b');
  });

  test('one is found by its name, whatever it looks like', async () => {
    const user = await context.server.user();
    const { api: other } = await create(user, { api_name: 'other' });
    for (const name of [String(other.id), '深度求索 🌊', 'a/b', 'a?b=c&d', '100%', '.x']) {
      const { api } = await create(user, { api_name: name });
      assert.deepEqual(await user.ok('GET', `/api/user/apis/${encodeURIComponent(name)}`), { api }, name);
    }
    assertError(await user.get(`/api/user/apis/${other.id + 1000}`), 404, 'api_not_found');
  });

  test('the built-in model is no configuration', async () => {
    const user = await context.server.user();
    for (const name of ['demo', 'first']) {
      assertError(await user.get(`/api/user/apis/${name}`), 404, 'api_not_found');
    }
  });

  test('a name is taken once a user', async () => {
    const user = await context.server.user();
    const other = await context.server.user();
    await create(user);
    assertError(await user.post('/api/user/apis', FIELDS), 409, 'api_name_taken');
    await create(other);
    const { api } = await create(user, { api_name: 'second' });
    assertError(await user.put(`/api/user/apis/${api.id}`, { api_name: 'mine' }), 409, 'api_name_taken');
    const same = await user.ok('PUT', `/api/user/apis/${api.id}`, { api_name: 'second' });
    assert.equal(same.api.api_name, 'second');
  });

  test('the name "first" is reserved', async () => {
    const user = await context.server.user();
    assertError(await user.post('/api/user/apis', { ...FIELDS, api_name: 'first' }), 422, 'api_name_reserved');
    const { api } = await create(user);
    assertError(await user.put(`/api/user/apis/${api.id}`, { api_name: 'first' }), 422, 'api_name_reserved');
  });

  test('name, key and model are required, the rest is checked', async () => {
    const user = await context.server.user();
    for (const field of ['api_name', 'api_key', 'model_name']) {
      for (const value of [undefined, '', null]) {
        const answer = await user.post('/api/user/apis', { ...FIELDS, [field]: value });
        assert.match(assertError(answer, 400, 'missing_field').error, new RegExp(field));
      }
    }
    for (const wrong of [
      { provider: 'nobody' }, { api_key: 'sk-a\nb' }, { api_key: 'sk-潮' }, { api_name: 'a\u0001b' },
      { api_name: 'x'.repeat(101) }, { model_name: 7 }, { base_url: ['http://127.0.0.1'] },
      { deadlines: 5 }, { deadlines: { connect: -1 } }, { deadlines: { between: 3600001 } },
      { deadlines: { total: 86400001 } }, { deadlines: { first_byte: '1s' } },
    ]) {
      assertError(await user.post('/api/user/apis', { ...FIELDS, ...wrong }), 400, 'invalid_field');
    }
    for (const url of ['nonsense', 'ftp://127.0.0.1/v1', 'http://', 'http://127.0.0.1/v1?key=1',
      'http://127.0.0.1/v1#x', 'http://127.0.0.1:99999/v1', 'javascript:alert(1)']) {
      const answer = await user.post('/api/user/apis', { ...FIELDS, base_url: url });
      assert.ok([400, 422].includes(answer.status), `${url}: ${answer.text}`);
    }
    assert.equal((await user.ok('GET', '/api/user/apis')).count, 0);
  });

  test('a change touches what it names and nothing else', async () => {
    const user = await context.server.user();
    let { api } = await create(user);
    const change = async (fields) => {
      const body = await user.ok('PUT', `/api/user/apis/${api.id}`, fields);
      assert.deepEqual(keysOf(body), ['api', 'message']);
      return body.api;
    };
    for (const [fields, shown] of [
      [{ api_name: 'renamed' }], [{ model_name: 'gpt-y' }], [{ base_url: 'http://127.0.0.1:10/v2' }],
      [{ api_key: 'other-key-0123456789' }, { api_key: '…6789' }], [{ base_url: '' }], [{}],
      [{ api_name: '' }, {}], [{ model_name: null }, {}],
    ]) {
      const { updated_at: updated, ...expected } = { ...api, ...(shown ?? fields) };
      const { updated_at: later, ...changed } = await change(fields);
      assert.deepEqual(changed, expected);
      assert.ok(later >= updated);
      api = { ...changed, updated_at: later };
    }
    assert.deepEqual((await user.ok('GET', '/api/user/apis')).apis, [api]);
  });

  test('deadlines are changed one by one, 0 is the setting again', async () => {
    const user = await context.server.user();
    const { api } = await create(user, { deadlines: { connect: 100, total: 86400000 } });
    assert.deepEqual(api.deadlines, { ...NO_DEADLINES, connect: 100, total: 86400000 });
    const change = async (deadlines) =>
      (await user.ok('PUT', `/api/user/apis/${api.id}`, { deadlines })).api.deadlines;
    assert.deepEqual(await change({ total: 0, between: 7 }), { ...NO_DEADLINES, connect: 100, between: 7 });
    assert.deepEqual(await change({}), { ...NO_DEADLINES, connect: 100, between: 7 });
    const { api: shown } = await user.ok('GET', `/api/user/apis/${api.api_name}`);
    assert.deepEqual(shown.deadlines, { ...NO_DEADLINES, connect: 100, between: 7 });
  });

  test('delete removes it, once', async () => {
    const user = await context.server.user();
    const { api } = await create(user);
    assert.equal(typeof (await user.ok('DELETE', `/api/user/apis/${api.id}`)).message, 'string');
    for (const answer of [await user.delete(`/api/user/apis/${api.id}`),
      await user.put(`/api/user/apis/${api.id}`, { api_name: 'x' }), await user.get('/api/user/apis/mine')]) {
      assertError(answer, 404, 'api_not_found');
    }
  });

  test('ids are numbers: another one is 400 or 404, never 500', async () => {
    const user = await context.server.user();
    for (const id of ['0', '-1', 'x', '1.5', '1e3', '9007199254740993', '99999999999999999999', '%00', ' 1']) {
      const { status } = await user.delete(`/api/user/apis/${id}`);
      assert.ok([400, 404].includes(status), `${id}: ${status}`);
    }
  });
});
