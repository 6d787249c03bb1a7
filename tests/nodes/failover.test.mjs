// covers: node, chat, reply
// A node that dies or sleeps while it owns a session: another one takes over what was stored, and
// nothing that the first one writes afterwards counts.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { drain, listNodes, startCluster, through } from './cluster.mjs';
import { counted } from './metrics.mjs';

const STREAM = 'tokens=100000,pace=20';

describe('a node that is gone', () => {
  let mock;
  before(async () => { mock = await startMock(); });
  after(async () => { await mock.stop(); });

  const rows = (node, session) => psql(node.home.database.name,
    `SELECT m.role || ':' || m.status FROM chat_messages m JOIN chat_sessions s ON s.id = m.session_row
     WHERE s.session_id = '${session}' ORDER BY m.id`).split('\n');

  /** A user with a reply of node a that streams, of which something is stored. */
  async function streaming(cluster, session) {
    const [a] = cluster.nodes;
    const user = await a.user();
    const slow = await user.model(mock.url(STREAM));
    const quick = await user.model(mock.url('echo=1'));
    await user.say(quick, session, 'before');
    const stream = await user.open(slow, session, 'count');
    await stream.until((reader) => reader.text.length > 40);
    await eventually(() => psql(a.home.database.name, 'SELECT count(*) FROM reply_chunks') !== '0', 'a checkpoint');
    return { user, slow, quick, stream };
  }

  test('killed in the middle of a reply: what was stored remains, the next turn works elsewhere', async () => {
    const cluster = await startCluster(2);
    const [a, b] = cluster.nodes;
    const { user, quick, stream } = await streaming(cluster, 'killed');
    const seen = (async () => { try { await stream.end(); } catch { /* cut off */ } return stream.text; })();
    await a.kill();
    const text = await seen;

    // It waits out the lease, and goes on with what is there.
    const elsewhere = through(b, user);
    const answer = await elsewhere.say(quick, 'killed', 'after');
    assert.equal(answer.response, 'after');
    const [, , , cut, , last] = await elsewhere.messages('killed');
    assert.equal(cut.status, 'interrupted');
    assert.ok(cut.content.length > 0 && text.startsWith(cut.content), `${cut.content.length} of ${text.length}`);
    assert.equal(last.content, 'after');
    assert.equal(psql(b.home.database.name, 'SELECT count(*) FROM chat_sessions WHERE turn_node IS NOT NULL'), '0');
    assert.equal(psql(b.home.database.name, 'SELECT count(*) FROM reply_chunks'), '0');
    await cluster.stop({ except: [a] });
  });

  test('killed, and nobody asks: the other one looks after it', async () => {
    const cluster = await startCluster(2);
    const [a, b] = cluster.nodes;
    const { user, slow, stream } = await streaming(cluster, 'alone');
    stream.end().catch(() => {});
    await a.kill();
    await eventually(() => rows(b, 'alone').at(-1) === 'assistant:interrupted', 'the reply is interrupted');

    // It comes back under the same name, and leaves alone what the other one has.
    const elsewhere = through(b, user);
    const second = await elsewhere.open(slow, 'alone', 'again');
    await second.until((reader) => reader.text.length > 40);
    await a.start();
    const { length } = second.text;
    await second.until((reader) => reader.text.length > length + 100);
    assert.equal(rows(b, 'alone').at(-1), 'assistant:streaming');
    assert.equal((await elsewhere.post('/api/chat/sessions/alone/stop', {})).status, 200);
    await second.end();
    assert.equal(second.last.finish_reason, 'stopped');
    await cluster.stop();
  });

  test('asleep beyond its lease: its late writes are refused, and its upstream is closed', async () => {
    const cluster = await startCluster(2);
    const [a, b] = cluster.nodes;
    const { user, quick, stream } = await streaming(cluster, 'asleep');
    const hangs = await user.model(mock.url('fault=hang'));
    // It may be told before the stream is.
    const idle = assert.rejects(user.open(hangs, 'hangs', 'no answer comes'),
      (error) => error.body.code === 'lease_lost', 'one that stores nothing is found too');
    await eventually(() => rows(a, 'hangs').at(-1) === 'assistant:streaming', 'the other turn has begun');
    a.signal('SIGSTOP');
    await eventually(async () => (await listNodes(b)).a.state === 'dead', 'its lease is over');

    const elsewhere = through(b, user);
    assert.equal((await elsewhere.say(quick, 'asleep', 'after')).response, 'after');
    assert.equal((await elsewhere.say(quick, 'hangs', 'after too')).response, 'after too');
    const before = psql(a.home.database.name, 'SELECT id, content, status FROM chat_messages ORDER BY id');
    const usage = psql(a.home.database.name, 'SELECT sum(requests) FROM usage_days');
    a.signal('SIGCONT');
    await stream.end();
    assert.equal(stream.last.code, 'lease_lost');
    await idle;
    await eventually(async () => (await mock.stats()).streams_active === 0, 'the upstreams are closed');
    assert.equal(psql(a.home.database.name, 'SELECT id, content, status FROM chat_messages ORDER BY id'), before);
    assert.equal(psql(a.home.database.name, 'SELECT sum(requests) FROM usage_days'), usage);
    assert.equal(psql(a.home.database.name, 'SELECT count(*) FROM reply_chunks'), '0');

    // It goes on as a node.
    assert.equal((await user.say(quick, 'asleep', 'once more')).response, 'once more');
    await cluster.stop();
  });

  test('one turn at a time in a session, whatever nodes are asked', async () => {
    const cluster = await startCluster(2);
    const user = await cluster.nodes[0].user();
    const quick = await user.model(mock.url('echo=1,first=20'));
    const clients = cluster.nodes.map((node) => through(node, user));
    const told = [];
    await Promise.all(clients.map(async (client, of) => {
      for (let i = 0; i < 8; i += 1) {
        const message = `${of}-${i}`;
        const answer = await client.post('/api/chat/message', { session_id: 'both', model_name: quick, message });
        if (answer.status === 200) told.push(message);
        else assert.ok([429, 503].includes(answer.status), answer.text);
      }
    }));
    assert.ok(told.length >= 8, `${told.length} of 16`);
    const messages = await clients[0].messages('both');
    assert.deepEqual(messages.map((m) => m.content), messages.filter((m) => m.role === 'user')
      .flatMap((m) => [m.content, m.content]), 'each question has its answer behind it');
    for (const message of told) assert.equal(messages.filter((m) => m.content === message).length, 2, message);
    messages.forEach((m, i) => assert.equal(m.parent_id ?? null, i ? messages[i - 1].id : null, 'one path'));
    await cluster.stop();
  });

  test('draining: new turns go to another node, the running reply ends', async () => {
    const cluster = await startCluster(2);
    const [a, b] = cluster.nodes;
    const { user, quick, stream } = await streaming(cluster, 'drained');
    const fetched = await fetch(`${a.url}/readyz`);
    assert.equal(fetched.status, 200);
    const drained = drain(a);
    await eventually(async () => (await fetch(`${a.url}/readyz`)).status === 503, 'it is draining');
    const before = await counted(b, 'relayed_requests_received_total');
    assert.equal((await user.say(quick, 'new', 'hello')).response, 'hello');
    assert.equal(await counted(b, 'relayed_requests_received_total'), before + 1);
    const { length } = stream.text;
    await stream.until((reader) => reader.text.length > length + 20);
    await user.post('/api/chat/sessions/drained/stop', {});
    await stream.end();
    assert.equal((await drained).code, 0);

    // With nobody who could take it, it is refused.
    await b.stop();
    const refused = await user.post('/api/chat/message', { session_id: 'new', model_name: quick, message: 'hello' });
    assert.equal(refused.status, 503, refused.text);
    assert.equal(refused.body.code, 'node_draining');
    await cluster.stop({ except: [b] });
  });
});
