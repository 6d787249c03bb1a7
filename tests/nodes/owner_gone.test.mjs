// covers: node, serve, web, chat, doors
// The node that owns a session dies, or sleeps beyond its lease, while others read through another one.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { uniqueName } from '../e2e/support/client.mjs';
import { HANG_MS, eventually, pause, test, within } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { LOOPBACK, Server } from '../e2e/support/server.mjs';
import { startCluster, through } from './cluster.mjs';
import { counted } from './metrics.mjs';

const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');
const SAID = words(5000); // more than any of these replies gets

describe('when the owner of a session is gone', () => {
  let cluster;
  let mock;

  before(async () => {
    mock = await startMock();
    cluster = await startCluster(2, { env: LOOPBACK });
  }, { timeout: HANG_MS });

  after(async () => {
    await cluster.stop();
    await mock.stop();
  }, { timeout: HANG_MS });

  /** A reply that runs on the first node, with a viewer through the second one. */
  const begin = async (scenario = 'tokens=5000,pace=10') => {
    const [a, b] = cluster.nodes;
    const here = await a.user();
    const there = through(b, here);
    const model = await here.model(mock.url(scenario));
    const session = uniqueName('session');
    const live = await here.open(model, session, 'hi');
    await live.until(() => live.frames.length > 1);
    const viewer = await there.resume(session);
    viewer.lateResets = true;
    await viewer.until(() => viewer.frames.length > 1);
    return { here, there, model, session, live, viewer };
  };

  const restart = async () => {
    const { home } = cluster.nodes[0];
    cluster.nodes[0] = await new Server(home, home.port).start();
  };

  /** What a viewer got, after the owner's end, is what is stored: no gap, nothing twice. */
  const checkEnd = async ({ there, session, viewer }) => {
    await within(viewer.end(), 'the stream ends');
    assert.equal(viewer.last.code, 'interrupted', viewer.raw.slice(-300));
    const [, reply] = await there.messages(session);
    assert.equal(reply.status, 'interrupted');
    assert.equal(viewer.text, reply.content);
    assert.ok(SAID.startsWith(reply.content), 'what the upstream said');
    if (viewer.reset) assert.ok(viewer.replaced.startsWith(reply.content), 'only what was not stored is taken back');
  };

  test('a viewer goes on to the end of what is stored, and the session goes on', async () => {
    for (let i = 0; i < 3; i += 1) {
      const talk = await begin();
      await pause(randomInt(1500));
      await cluster.nodes[0].kill();
      await checkEnd(talk);
      const echo = await talk.there.model(mock.url('echo=1'), { api_name: 'echo', model_name: 'echo' });
      const next = await talk.there.stream(echo, talk.session, 'again');
      assert.equal(next.last.finish_reason, 'stop');
      assert.equal((await talk.there.messages(talk.session)).length, 4);
      await restart();
    }
  });

  test('one that sleeps beyond its lease is taken for dead, and writes nothing more', async () => {
    const talk = await begin();
    const [a] = cluster.nodes;
    a.signal('SIGSTOP');
    await checkEnd(talk);
    a.signal('SIGCONT');
    const before = await talk.there.messages(talk.session);
    await eventually(async () => (await fetch(`${a.url}/readyz`)).status === 200, 'it is awake');
    await within(talk.live.end(), 'its own stream ends');
    assert.equal(talk.live.last.code, 'lease_lost');
    assert.deepEqual(await talk.there.messages(talk.session), before);
  });

  test('a viewer that it has not answered yet gets what is stored', async () => {
    const talk = await begin();
    const [a, b] = cluster.nodes;
    await talk.live.until(() => talk.live.text.length > 1500); // some of it is stored
    a.signal('SIGSTOP');
    const before = await counted(b, 'relayed_requests_total');
    const asked = talk.there.resume(talk.session);
    await eventually(async () => await counted(b, 'relayed_requests_total') > before, 'it is passed on');
    await a.kill();
    const viewer = await asked;
    await checkEnd({ ...talk, viewer });
    assert.notEqual(viewer.text, '');
    await checkEnd(talk);
    await restart();
  });

  const received = () => counted(cluster.nodes[0], 'relayed_requests_received_total');

  test('a turn that waited there begins here', async () => {
    const talk = await begin();
    const echo = await talk.there.model(mock.url('echo=1'), { api_name: 'echo', model_name: 'echo' });
    for (const path of ['/api/chat/message', '/api/chat/message/stream']) {
      const before = await received();
      const waiting = talk.there.post(path, { session_id: talk.session, model_name: echo, message: 'second' });
      await eventually(async () => await received() > before, 'the owner has the request');
      Object.assign(talk, { [path]: waiting });
    }
    await cluster.nodes[0].kill();
    await checkEnd(talk);
    assert.equal((await talk['/api/chat/message']).body.response, 'second');
    assert.match((await talk['/api/chat/message/stream']).text, /"finish_reason":"stop"/);
    assert.equal((await talk.there.messages(talk.session)).length, 6);
    await restart();
  });

  test('a turn that waits at one that sleeps begins here, and there no more', async () => {
    const talk = await begin();
    const [a] = cluster.nodes;
    const echo = await talk.there.model(mock.url('echo=1'), { api_name: 'echo', model_name: 'echo' });
    const before = await received();
    const waiting = talk.there.post('/api/chat/message', {
      session_id: talk.session, model_name: echo, message: 'second',
    });
    await eventually(async () => await received() > before, 'the owner has the request');
    a.signal('SIGSTOP');
    const answer = await waiting;
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.response, 'second');
    await checkEnd(talk);
    const list = await talk.there.messages(talk.session);
    assert.equal(list.length, 4);
    a.signal('SIGCONT');
    await within(talk.live.end(), 'its own stream ends');
    // What waited there has ended too: another turn of the session gets its place.
    assert.equal((await talk.here.say(echo, talk.session, 'third')).response, 'third');
    assert.deepEqual((await talk.there.messages(talk.session)).slice(0, 4), list);
    assert.equal((await talk.there.messages(talk.session)).length, 6);
  });

  test('a turn that began there does not begin again', async () => {
    for (const path of ['/api/chat/message', '/api/chat/message/stream']) {
      const talk = await begin('tokens=150,pace=10');
      const slow = await talk.there.model(mock.url('tokens=5000,pace=10'), { api_name: 'slow', model_name: 'slow' });
      const waiting = talk.there.post(path, { session_id: talk.session, model_name: slow, message: 'second' });
      await within(talk.live.end(), 'the first stream ends');
      await eventually(async () => (await talk.here.messages(talk.session)).length === 4, 'the second turn');
      await cluster.nodes[0].kill();
      const answer = await waiting;
      if (path.endsWith('stream')) assert.match(answer.text, /"code":"interrupted"/);
      else assert.equal(answer.body.code, 'interrupted', answer.text);
      const list = await talk.there.messages(talk.session);
      assert.deepEqual(list.map((m) => m.status), ['complete', 'complete', 'complete', 'interrupted']);
      await restart();
    }
  });

  test('a stored response goes on too', async () => {
    const talk = await begin();
    const { id } = await talk.here.ok('POST', '/v1/responses', {
      model: talk.model, input: 'hi', background: true,
    });
    const stream = await talk.there.fetch('GET', `/v1/responses/${id}?stream=true`);
    const reader = stream.body.getReader();
    let text = '';
    const decoder = new TextDecoder();
    const read = async () => {
      const { value, done } = await reader.read();
      text += decoder.decode(value, { stream: !done });
      return !done;
    };
    while (text.split('\n\n').length < 150) assert.ok(await read());
    await cluster.nodes[0].kill();
    while (await read());
    const numbers = [...text.matchAll(/"sequence_number":(\d+)/g)].map(([, n]) => Number(n));
    assert.deepEqual(numbers, [...new Set(numbers)].sort((x, y) => x - y), 'in order, and none twice');
    const deltas = [...text.matchAll(/^data: (\{"type":"response.output_text.delta".*\})$/gm)]
      .map(([, data]) => JSON.parse(data).delta).join('');
    assert.ok(SAID.startsWith(deltas), 'no gap, nothing twice');
    assert.match(text, /\nevent: response\.(failed|incomplete)\n.*\n\ndata: \[DONE\]\n\n$/);
    // What ends says what is left of the text.
    const [, done] = text.match(/^data: (\{"type":"response.output_text.done".*\})$/m);
    const [, end] = text.match(/^data: (\{"type":"response.(?:failed|incomplete)".*\})$/m);
    assert.ok(deltas.startsWith(JSON.parse(done).text));
    assert.equal(JSON.parse(end).response.output[0].content[0].text, JSON.parse(done).text);
    await restart();
  });
});
