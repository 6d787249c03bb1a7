// covers: node, serve, web, app, chat, doors
// A running reply belongs to one node; whatever concerns its session may come through any of them.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe } from 'node:test';
import { uniqueName } from '../e2e/support/client.mjs';
import { HANG_MS, eventually, test, within } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { makeFolder } from '../e2e/support/process.mjs';
import { copyScripts } from '../e2e/support/scripts.mjs';
import { LOOPBACK } from '../e2e/support/server.mjs';
import { startCluster, through } from './cluster.mjs';
import { counted } from './metrics.mjs';

const POLICY = `
local M = {}
function M.choose(facts)
  return facts.model_name:find("^cancel") and "cancel" or "detach"
end
return M
`;
const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');

describe('requests of a session that another node owns', () => {
  let cluster;
  let mock;
  let folder;

  before(async () => {
    folder = makeFolder();
    mock = await startMock();
    const lua = copyScripts(folder, { 'policy/disconnect.lua': POLICY });
    cluster = await startCluster(2, { env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua } });
  }, { timeout: HANG_MS });

  after(async () => {
    await cluster.stop();
    await mock.stop();
    rmSync(folder, { recursive: true });
  }, { timeout: HANG_MS });

  /** A user at both nodes, with a model and a session. */
  const setup = async (scenario, more) => {
    const [a, b] = cluster.nodes;
    const here = await a.user();
    const model = await here.model(mock.url(scenario), more);
    return { here, there: through(b, here), model, session: uniqueName('session') };
  };

  /** A reply that runs on the first node: its stream. */
  const begin = async ({ here, model, session }) => {
    const live = await here.open(model, session, 'hi');
    await live.until(() => live.frames.length > 1);
    return live;
  };

  const relayed = () => counted(cluster.nodes[1], 'relayed_requests_total');

  test('a conversation goes on through either', async () => {
    const { here, there, model, session } = await setup('echo=1');
    for (let i = 0; i < 6; i += 1) {
      const client = i % 2 ? there : here;
      const reader = await client.stream(model, session, `message ${i}`);
      assert.equal(reader.last.finish_reason, 'stop');
    }
    const list = await there.messages(session);
    assert.equal(list.length, 12);
    assert.deepEqual(list, await here.messages(session));
    assert.deepEqual(list.filter((m) => m.role === 'user').map((m) => m.content),
      Array.from({ length: 6 }, (_, i) => `message ${i}`));
  });

  test('viewers of one reply get the same from both', async () => {
    const talk = await setup('tokens=60,pace=15,reasoning=5');
    const before = await relayed();
    const live = await begin(talk);
    const viewer = await talk.there.resume(talk.session);
    const later = await talk.there.resume(talk.session, live.frames.at(-1).id);
    await Promise.all([live.end(), viewer.end(), later.end()].map((end) => within(end, 'the stream ends')));
    assert.equal(viewer.text, words(60));
    assert.equal(viewer.text, live.text);
    assert.equal(viewer.reasoning, live.reasoning);
    assert.deepEqual(viewer.last, live.last);
    assert.ok(live.text.endsWith(later.text));
    for (const name of ['content-type', 'cache-control', 'x-accel-buffering', 'x-content-type-options']) {
      assert.equal(viewer.headers.get(name), live.headers.get(name), name);
    }
    assert.equal(await relayed() - before, 2);
  });

  test('the next message waits for the reply before it', async () => {
    const talk = await setup('tokens=30,pace=15');
    const live = await begin(talk);
    const [next] = await Promise.all([
      talk.there.say(talk.model, talk.session, 'and then'), within(live.end(), 'the stream ends'),
    ]);
    assert.equal(next.response, words(30));
    const list = await talk.here.messages(talk.session);
    assert.deepEqual(list.map((m) => m.id), [...list.map((m) => m.id)].sort((x, y) => x - y));
    assert.equal(list.at(-1).id, next.message_id);
    assert.equal(list.length, 4);
  });

  test('a reply is stopped, listed and recovered through the other', async () => {
    const talk = await setup('tokens=5000,pace=15');
    const live = await begin(talk);
    const [, running] = await talk.there.messages(talk.session);
    assert.equal(running.status, 'streaming');
    assert.ok(running.content.startsWith(live.text));
    const { cached_response: text } = await talk.there.ok(
      'GET', `/api/chat/recover?session_id=${talk.session}`);
    assert.ok(text.startsWith(running.content));
    const stopped = await talk.there.ok('POST', `/api/chat/sessions/${talk.session}/stop`, {});
    assert.deepEqual(stopped, { stopped: true, message_id: running.id });
    await within(live.end(), 'the stream ends');
    assert.equal(live.last.finish_reason, 'stopped');
  });

  test('a session is deleted through the other, with the reply that runs in it', async () => {
    const talk = await setup('tokens=5000,pace=15');
    const live = await begin(talk);
    await talk.there.ok('DELETE', `/api/chat/sessions/${talk.session}`);
    await within(live.end(), 'the stream ends');
    assert.equal(live.last.code, 'session_deleted');
    assert.equal((await talk.here.get(`/api/chat/sessions/${talk.session}/messages`)).status, 404);
  });

  test('the owner decides what a client that leaves does to the reply', async () => {
    for (const [model_name, status] of [['cancel-this', 'stopped'], ['keep-this', 'complete']]) {
      const talk = await setup('tokens=60,pace=15', { model_name });
      const live = await begin(talk);
      const viewer = await talk.there.resume(talk.session);
      await viewer.until(() => viewer.frames.length > 0);
      await live.chunks.return();
      await viewer.until(() => viewer.text.length > 0);
      await viewer.chunks.return();
      const reply = await eventually(async () => {
        const [, found] = await talk.here.messages(talk.session);
        return found.status !== 'streaming' && found;
      }, 'the reply has ended');
      assert.equal(reply.status, status);
    }
  });

  test('a stored response is followed and cancelled through the other', async () => {
    const talk = await setup('tokens=5000,pace=15');
    const { id } = await talk.here.ok('POST', '/v1/responses', {
      model: talk.model, input: 'hi', background: true,
    });
    const stream = await talk.there.fetch('GET', `/v1/responses/${id}?stream=true`);
    assert.equal(stream.status, 200);
    const text = stream.text();
    const cancelled = await talk.there.ok('POST', `/v1/responses/${id}/cancel`, {});
    assert.equal(cancelled.status, 'cancelled');
    assert.match(await within(text, 'the stream ends'), /event: response\./);
    assert.equal((await talk.there.ok('DELETE', `/v1/responses/${id}`)).deleted, true);
  });

  test('the private listener takes nothing from anybody else', async () => {
    const [a] = cluster.nodes;
    const user = await a.user();
    const address = `http://${a.home.env.TIDETALK_NODES_LISTEN}`;
    for (const [method, path, headers] of [
      ['GET', '/api/profile', { Authorization: `Bearer ${user.token}` }],
      ['GET', '/', {}],
      ['GET', '/livez', {}],
      ['GET', '/nowhere', {}],
      ['POST', '/api/login', { 'X-TideTalk-Relay': 'YQ.YQ' }],
    ]) {
      const answer = await fetch(address + path, { method, headers });
      assert.equal(answer.status, 403, path);
      assert.equal((await answer.json()).code, 'forbidden');
    }
    assert.ok(await counted(a, 'relayed_requests_refused_total') >= 5);
  });
});
