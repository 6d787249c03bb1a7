// covers: node, account, lua/account, lua/web, models, search
// A change through one node holds on the other one at once, and guesses count on both together.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { PASSWORD, uniqueName } from '../e2e/support/client.mjs';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { tidetalk } from '../e2e/support/server.mjs';
import { startCluster, through } from './cluster.mjs';

const PAIR_FREE = 10; // attempts, see lua/policy/login.lua

describe('what nodes share', () => {
  let cluster;
  let mock;

  before(async () => {
    mock = await startMock();
    cluster = await startCluster(2, { env: { TIDETALK_TRUSTED_PROXIES: '127.0.0.1/32', TIDETALK_DRAIN: '100ms' } });
  }, { timeout: HANG_MS });

  after(async () => {
    await cluster.stop();
    await mock.stop();
  }, { timeout: HANG_MS });

  const login = (i, username, password, address) => cluster.nodes[i % 2].client()
    .post('/api/login', { username, password }, { headers: { 'X-Forwarded-For': address } });

  test('a login that ends, a password, an account, a key: at once', async () => {
    const [a, b] = cluster.nodes;
    const here = await a.user();
    const there = through(b, here);
    const { username } = here.user;
    const refused = async (code) => {
      const answer = await there.get('/api/chat/sessions');
      assert.equal(answer.status, 401, answer.text);
      assert.equal(answer.body.code, code);
    };

    await there.ok('GET', '/api/chat/sessions');
    await here.ok('POST', '/api/logout', {});
    await refused('invalid_token');

    const again = await login(0, username, PASSWORD, '203.0.113.1');
    there.token = again.body.token;
    await there.ok('GET', '/api/chat/sessions');
    const key = await there.ok('POST', '/api/keys', { name: 'one' });
    const bearer = { headers: { Authorization: `Bearer ${key.key}` } };
    for (const node of [a, b]) assert.equal((await node.client().get('/v1/models', bearer)).status, 200);
    here.token = there.token;
    await here.ok('DELETE', `/api/keys/${key.id}`);
    assert.equal((await b.client().get('/v1/models', bearer)).status, 401);

    await tidetalk(a.home, ['user', 'disable', username]);
    await refused('invalid_token');
    assert.equal((await login(1, username, PASSWORD, '203.0.113.1')).body.code, 'account_disabled');
    await tidetalk(b.home, ['user', 'enable', username]);
    assert.equal((await login(0, username, PASSWORD, '203.0.113.1')).status, 200);
  });

  test("a model's configuration: the next turn has it", async () => {
    const [a, b] = cluster.nodes;
    const here = await a.user();
    const there = through(b, here);
    const session = uniqueName('session');
    const model = await here.model(mock.url('text=first'));
    // Both nodes have it in their memory.
    for (const user of [here, there]) assert.equal((await user.say(model, session, 'hi')).response, 'first');
    const { apis: [api] } = await here.ok('GET', '/api/user/apis');
    for (const [user, other, text] of [[here, there, 'second'], [there, here, 'third']]) {
      await user.ok('PUT', `/api/user/apis/${api.id}`, { base_url: mock.url(`text=${text}`) });
      assert.equal((await other.say(model, session, 'hi')).response, text);
    }
    await here.ok('DELETE', `/api/user/apis/${api.id}`);
    const gone = await there.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
    assert.equal(gone.body.code, 'no_api_for_model', gone.text);
    assert.ok(!(await there.ok('GET', '/api/models')).data.some((one) => one.model_name === model));
  });

  test('guesses count on all nodes together', async () => {
    const { user: { username } } = await cluster.nodes[0].user();
    const answers = await Promise.all(Array.from({ length: 4 * PAIR_FREE },
      (_, i) => login(i, username, 'wrong one', '203.0.113.9')));
    assert.equal(answers.filter(({ status }) => status === 401).length, PAIR_FREE, 'many at once gain nothing');
    // A wait that is longer than the rest of this test.
    psql(cluster.nodes[0].home.database.name, 'UPDATE login_attempts SET until_at = until_at + 600 WHERE failures >= 10');
    for (const i of [0, 1]) {
      const answer = await login(i, username, PASSWORD, '203.0.113.9');
      assert.equal(answer.body.code, 'login_throttled', answer.text);
      assert.ok(Number(answer.headers.get('retry-after')) >= 1);
    }
    assert.equal((await login(1, username, PASSWORD, '203.0.113.10')).status, 200, 'from elsewhere');
    await tidetalk(cluster.nodes[0].home, ['user', 'unlock', username]);
    assert.equal((await login(1, username, PASSWORD, '203.0.113.9')).status, 200, 'the other node knows at once');
  });

  test('and who is right is let in', async () => {
    const { user: { username } } = await cluster.nodes[0].user();
    for (let i = 0; i < 3 * PAIR_FREE; i += 1) {
      const right = i % 3 === 2;
      const answer = await login(i, username, right ? PASSWORD : 'wrong one', '203.0.113.20');
      assert.equal(answer.status, right ? 200 : 401, answer.text);
    }
  });
});
