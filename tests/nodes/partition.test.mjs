// covers: node, chat, web, serve
// Nodes that cannot reach each other, or the database: turns go on where they can, and elsewhere the answer is 503 with
// a code. Refused connections and a network that loses everything, through proxies of the test's own.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, eventually, test, within } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { listNodes, settled, startCluster, through } from './cluster.mjs';

const STREAM = 'tokens=100000,pace=20';

describe('partitions', () => {
  let mock;
  let cluster;
  let count = 0;
  before(async () => {
    mock = await startMock();
    cluster = await startCluster(2, { network: true, env: { TIDETALK_DRAIN: '100ms' } });
  }, { timeout: HANG_MS });
  after(async () => {
    await cluster.stop();
    await mock.stop();
  }, { timeout: HANG_MS });

  /** A user at both nodes, and a reply that runs on the first one. */
  async function begin() {
    const [a, b] = cluster.nodes;
    const here = await a.user();
    const there = through(b, here);
    const slow = await here.model(mock.url(STREAM));
    const quick = await here.model(mock.url('echo=1'));
    count += 1;
    const session = `partition-${count}`;
    await settled(cluster);
    const live = await here.open(slow, session, 'count');
    await live.until(() => live.text.length > 40);
    return { here, there, quick, session, live };
  }

  const send = (client, { quick, session }, message) =>
    client.post('/api/chat/message', { session_id: session, model_name: quick, message });

  /** Each question once, with one reply. */
  async function checkRows({ here, session }, questions) {
    const rows = await here.messages(session);
    assert.deepEqual(rows.filter(({ role }) => role === 'user').map(({ content }) => content), questions);
    assert.equal(rows.length, 2 * questions.length);
  }

  test('no node reaches the owner', async () => {
    const talk = await begin();
    const [a, b] = cluster.nodes;
    a.home.network.others.set('closed');
    const refused = await send(talk.there, talk, 'from the other side');
    assert.equal(refused.status, 503, refused.text);
    assert.equal(refused.body.code, 'node_unreachable');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    // The owner goes on, and so does every other session on both sides.
    const { length } = talk.live.text;
    await talk.live.until(() => talk.live.text.length > length + 40);
    for (const [i, client] of [talk.here, talk.there].entries()) {
      assert.equal((await client.say(talk.quick, `${talk.session}-other-${i}`, 'hello')).response, 'hello');
    }
    assert.equal((await listNodes(b)).a.state, 'alive');
    assert.equal((await talk.here.post(`/api/chat/sessions/${talk.session}/stop`, {})).status, 200);
    await within(talk.live.end(), 'the stream ends');
    assert.equal((await talk.there.say(talk.quick, talk.session, 'nothing runs')).response, 'nothing runs');
    a.home.network.others.set('open');
    await checkRows(talk, ['count', 'nothing runs']);
  });

  test('no node reaches another one, both ways', async () => {
    const talk = await begin();
    const others = cluster.nodes.map(({ home }) => home.network.others);
    const slow = await talk.here.model(mock.url(STREAM));
    const live = await talk.there.open(slow, `${talk.session}-b`, 'count');
    await live.until(() => live.text.length > 40);
    for (const proxy of others) proxy.set('closed');
    const answers = await Promise.all([
      send(talk.there, talk, 'to a'), send(talk.here, { ...talk, session: `${talk.session}-b` }, 'to b'),
    ]);
    for (const answer of answers) assert.deepEqual([answer.status, answer.body.code], [503, 'node_unreachable'], answer.text);
    for (const proxy of others) proxy.set('open');
    // As soon as they do, what concerns the session goes through either again.
    assert.equal((await talk.there.post(`/api/chat/sessions/${talk.session}/stop`, {})).body.stopped, true);
    assert.equal((await talk.here.post(`/api/chat/sessions/${talk.session}-b/stop`, {})).body.stopped, true);
    for (const reader of [talk.live, live]) {
      await within(reader.end(), 'the stream ends');
      assert.equal(reader.last.finish_reason, 'stopped');
    }
    await checkRows(talk, ['count']);
    await checkRows({ ...talk, session: `${talk.session}-b` }, ['count']);
  });

  // Connections that are taken and never answered look like an owner whose turns take long.
  test('nothing that is sent to the owner arrives, for a while', async () => {
    const talk = await begin();
    const [a] = cluster.nodes;
    a.home.network.others.set('silent');
    const waiting = send(talk.there, talk, 'late');
    const { length } = talk.live.text;
    await talk.live.until(() => talk.live.text.length > length + 400); // longer than a lease
    assert.equal((await talk.there.say(talk.quick, `${talk.session}-other`, 'hello')).response, 'hello');
    assert.equal((await talk.here.post(`/api/chat/sessions/${talk.session}/stop`, {})).status, 200);
    await within(talk.live.end(), 'the stream ends');
    a.home.network.others.set('open');
    assert.equal((await waiting).body.response, 'late');
    await checkRows(talk, ['count', 'late']);
  });

  for (const mode of ['closed', 'silent']) {
    test(`the owner does not reach the database (${mode})`, async () => {
      const talk = await begin();
      const [a, b] = cluster.nodes;
      a.home.network.database.set(mode);
      await eventually(async () => (await listNodes(b)).a.state === 'dead', 'its lease is over');
      assert.equal((await talk.there.say(talk.quick, talk.session, 'goes on')).response, 'goes on');
      const lost = await send(talk.here, { ...talk, session: `${talk.session}-new` }, 'without a database');
      assert.equal(lost.status, 503, lost.text);
      assert.match(lost.body.code, /^(database_unavailable|busy)$/);
      assert.equal((await fetch(`${a.url}/readyz`)).status, 503);
      assert.equal((await fetch(`${b.url}/readyz`)).status, 200);
      const before = psql(a.home.database.name, 'SELECT id, content, status FROM chat_messages ORDER BY id');
      a.home.network.database.set('open');
      await within(talk.live.end(), 'the stream ends');
      assert.equal(talk.live.last.code, 'lease_lost');
      await eventually(async () => (await fetch(`${a.url}/readyz`)).status === 200, 'it is ready again');
      assert.equal(psql(a.home.database.name, 'SELECT id, content, status FROM chat_messages ORDER BY id'), before);
      assert.equal((await eventually(async () => {
        const answer = await send(talk.here, talk, 'back again');
        return answer.status === 200 && answer.body;
      }, 'it takes turns again')).response, 'back again');
      await checkRows(talk, ['count', 'goes on', 'back again']);
    });
  }

  test('nobody reaches the database, and then everybody does', async () => {
    const talk = await begin();
    const databases = cluster.nodes.map(({ home }) => home.network.database);
    for (const proxy of databases) proxy.set('closed');
    for (const client of [talk.here, talk.there]) {
      const answer = await send(client, { ...talk, session: `${talk.session}-new` }, 'hello');
      assert.equal(answer.status, 503, answer.text);
      assert.match(answer.body.code, /^(database_unavailable|busy)$/);
    }
    for (const { url } of cluster.nodes) {
      await eventually(async () => (await fetch(`${url}/readyz`)).status === 503, 'it is not ready');
    }
    for (const proxy of databases) proxy.set('open');
    for (const { url } of cluster.nodes) {
      await eventually(async () => (await fetch(`${url}/readyz`)).status === 200, 'it is ready again');
    }
    // Nobody took a session over from a node that only could not reach the database either.
    const { length } = talk.live.text;
    await talk.live.until(() => talk.live.text.length > length + 40);
    assert.equal((await talk.there.post(`/api/chat/sessions/${talk.session}/stop`, {})).body.stopped, true);
    await within(talk.live.end(), 'the stream ends');
    assert.equal(talk.live.last.finish_reason, 'stopped');
    await checkRows(talk, ['count']);
  });
});
