// covers: node, reply, account
// Limits of a user hold over all nodes together.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { settled, startCluster, through } from './cluster.mjs';

const LIMIT = 10;

describe('limits of a user, with two nodes', () => {
  test('running replies and requests a minute', async () => {
    const mock = await startMock();
    const cluster = await startCluster(2, { env: {
      TIDETALK_LIMITS_USER_REPLIES: String(LIMIT), TIDETALK_DRAIN: '100ms',
    } });
    const user = await cluster.nodes[0].user();
    const slow = await user.model(mock.url('tokens=100000,pace=20'));
    const clients = cluster.nodes.map((node) => through(node, user));

    await settled(cluster);

    // All at once: what each node knows of the other is old.
    const opened = await Promise.allSettled(Array.from({ length: 3 * LIMIT }, (_, i) =>
      clients[i % 2].open(slow, `session-${i}`, 'hello')));
    const running = opened.filter((one) => one.status === 'fulfilled').map((one) => one.value);
    assert.ok(running.length >= LIMIT && running.length <= 1.1 * LIMIT, `${running.length} run`);
    for (const { reason } of opened.filter((one) => one.status === 'rejected')) {
      assert.equal(reason.body.code, 'too_many_replies', reason.text);
    }
    // Below the limit another one may begin, at the other node.
    const ended = running.splice(0, running.length - LIMIT + 1);
    for (const stream of ended) {
      const session = `session-${opened.findIndex((one) => one.value === stream)}`;
      await clients[1].post(`/api/chat/sessions/${session}/stop`, {});
      await stream.end();
    }
    const next = await eventually(() => clients[1].open(slow, 'next', 'hello').catch(() => null), 'there is room again');
    for (const stream of [next, ...running]) stream.response.body.cancel?.().catch(() => {});
    await cluster.stop();

    const minutes = await startCluster(2, { env: { TIDETALK_QUOTA_REQUESTS_PER_MINUTE: String(LIMIT) } });
    const other = await minutes.nodes[0].user();
    const both = minutes.nodes.map((node) => through(node, other));
    const answers = await Promise.all(Array.from({ length: 3 * LIMIT }, (_, i) =>
      both[i % 2].post('/api/chat/message', { session_id: `s${i}`, model_name: 'demo', message: 'hello' })));
    assert.equal(answers.filter(({ status }) => status === 200).length, LIMIT);
    await minutes.stop();
    await mock.stop();
  });
});
