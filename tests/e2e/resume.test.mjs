// tsan
// late
// covers: reply, chat, db
// Coming back to a reply: from each of its positions, while it runs and afterwards, by several at
// once, through an end of the server in order and through its death.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const TEXT = '潮起潮落,🌊 the tide séa 👩‍🚀 "引用"\n第二行。月亮🌕';
const encoded = encodeURIComponent(TEXT);
// One character a delta, thoughts before and between them.
const MIXED = `text=${encoded},size=1,reasoning=2,interleave=3`;

const bytesOf = (reader) => Buffer.byteLength(reader.text) + Buffer.byteLength(reader.reasoning);
const refused = (promise) => promise.then(() => assert.fail('a stream'), (error) => {
  if (!error.status) throw error;
  return error;
});

/** Positions at which a character of the log begins, as [position, content before, reasoning before]. */
function cutsOf(frames) {
  const cuts = [[0, '', '']];
  let [position, content, reasoning] = cuts[0];
  for (const { data } of frames) {
    for (const character of data.content ?? data.reasoning) {
      if (data.content === undefined) reasoning += character;
      else content += character;
      position += Buffer.byteLength(character);
      cuts.push([position, content, reasoning]);
    }
  }
  return cuts;
}

describe('a reply that is resumed', () => {
  // Reading 8 MiB from a row is a matter of 10 ms, of much more under sanitizers.
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LIMITS_SCRIPT_TIME: '10s' }, mock: true });

  const setup = async (scenario) => {
    const user = await context.server.user();
    return { user, model: await user.model(context.mock.url(scenario)), session: uniqueName('session') };
  };

  /** Everything from each position: the same text, no gap, nothing twice, the same end. */
  const checkCuts = async (user, session, live, cuts) => {
    for (const [position, content, reasoning] of cuts) {
      const reader = await user.resume(session, `${live.messageId}.${position}`, { query: position % 2 === 0 });
      await within(reader.end(), 'the stream ends');
      assert.equal(content + reader.text, live.text, `content after ${position}`);
      assert.equal(reasoning + reader.reasoning, live.reasoning, `reasoning after ${position}`);
      assert.deepEqual(reader.last, live.last, 'the end frame of those who were there');
      assert.ok(!reader.reset);
    }
  };

  test('after its end is the same from each of its positions', async () => {
    const { user, model, session } = await setup(MIXED);
    const live = await user.stream(model, session, 'hi');
    assert.equal(live.text, TEXT);
    assert.match(live.reasoning, /^think0 think1 想1 想2 .*想\d+ $/);
    const cuts = cutsOf(live.frames.slice(0, -1));
    assert.equal(cuts.at(-1)[0], bytesOf(live));
    assert.ok(cuts.length > 80, 'a position a character');
    await checkCuts(user, session, live, cuts);
  });

  test('has its tool calls, and its usage as it was told', async () => {
    for (const scenario of ['tools=1', 'tokens=3,usage=0', 'tokens=3,finish=length']) {
      const { user, model, session } = await setup(scenario);
      const { text } = await user.post('/api/chat/message/stream', {
        session_id: session, model_name: model, message: 'hi',
      });
      const frames = text.split('\n\n').slice(0, -1).map((frame) => `${frame}\n\n`);
      for (let i = 0; i < frames.length; i += 1) {
        const [, id] = /^id: (.*)$/m.exec(frames[i]);
        const later = await user.get(`/api/chat/sessions/${session}/stream?after=${id}`);
        assert.equal(later.status, i < frames.length - 1 ? 200 : 204, `${scenario}, after ${id}`);
        assert.equal(later.text, frames.slice(i + 1).join(''), `${scenario}, after ${id}`);
      }
    }
  });

  test('while it runs is the same from each of its positions', async () => {
    const { user, model, session } = await setup(`${MIXED},pace=100`);
    const live = await user.open(model, session, 'hi');
    await live.until(() => live.frames.length > 20);
    const readers = cutsOf(live.frames).map(([position, content, reasoning]) => ({ position, content, reasoning }));
    await Promise.all(readers.map(async (cut) => {
      const reader = await user.resume(session, `${live.messageId}.${cut.position}`);
      await within(reader.end(), 'the stream ends');
      Object.assign(cut, { reader });
    }));
    await live.end();
    assert.equal(live.text, TEXT);
    for (const { position, content, reasoning, reader } of readers) {
      assert.equal(content + reader.text, live.text, `content after ${position}`);
      assert.equal(reasoning + reader.reasoning, live.reasoning, `reasoning after ${position}`);
      assert.deepEqual(reader.last, live.last);
    }
  });

  test('cut at every frame is read to its end by a client that always comes back', async () => {
    const { user, model, session } = await setup(`${MIXED},pace=20`);
    const first = await user.open(model, session, 'hi');
    await first.until(() => first.frames.length > 0);
    const told = { content: first.text, reasoning: first.reasoning, id: first.frames.at(-1).id, last: null };
    await first.response.body.cancel().catch(() => {});
    while (!told.last) {
      const reader = await user.resume(session, told.id);
      await reader.until(() => reader.frames.length > 0);
      told.content += reader.text;
      told.reasoning += reader.reasoning;
      told.id = reader.frames.at(-1).id;
      told.last = reader.last;
      if (!told.last) await reader.chunks.return();
    }
    assert.equal(told.content, TEXT);
    assert.match(told.reasoning, /^think0 think1 想1 想2 .*想\d+ $/);
    assert.equal(told.last.finish_reason, 'stop');
  });

  test('inside a character has no answer', async () => {
    const { user, model, session } = await setup(MIXED);
    const live = await user.stream(model, session, 'hi');
    const whole = new Set(cutsOf(live.frames.slice(0, -1)).map(([position]) => position));
    for (let position = 0; position <= bytesOf(live); position += 1) {
      if (whole.has(position)) continue;
      const error = await refused(user.resume(session, `${live.messageId}.${position}`));
      assertError(error, 400, 'invalid_field');
    }
  });

  test('beyond its end begins anew', async () => {
    const { user, model, session } = await setup(MIXED);
    const live = await user.stream(model, session, 'hi');
    const reader = await user.resume(session, `${live.messageId}.${bytesOf(live) + 1}`);
    await reader.end();
    assert.deepEqual(reader.frames[0].data, {
      reset: true, content: live.text, reasoning: live.reasoning, done: false,
    });
    assert.deepEqual(reader.last, live.last);
    assert.equal(reader.frames.length, 2);
  });

  test('without a position is the one in flight, from its begin, for each who asks', async () => {
    const { user, model, session } = await setup(`${MIXED},pace=50`);
    const live = await user.open(model, session, 'hi');
    await live.until(() => live.text.length > 3);
    const viewers = await Promise.all([1, 2, 3, 4].map(() => user.resume(session)));
    await Promise.all([live, ...viewers].map((reader) => within(reader.end(), 'the stream ends')));
    for (const viewer of viewers) {
      assert.equal(viewer.text, TEXT);
      assert.equal(viewer.reasoning, live.reasoning);
      assert.deepEqual(viewer.last, live.last);
    }
    const answer = await user.get(`/api/chat/sessions/${session}/stream`);
    assert.deepEqual([answer.status, answer.text], [204, '']);
  });

  test('is told about with the headers of every stream', async () => {
    const { user, model, session } = await setup(MIXED);
    const live = await user.stream(model, session, 'hi');
    const { headers } = await user.resume(session, `${live.messageId}.0`);
    assert.equal(headers.get('content-type'), 'text/event-stream');
    assert.equal(headers.get('cache-control'), 'no-cache, no-transform');
    assert.equal(headers.get('x-accel-buffering'), 'no');
  });

  test('goes on where the header says, whatever the address says', async () => {
    const { user, model, session } = await setup('tokens=3');
    const { messageId } = await user.stream(model, session, 'hi');
    const answer = await user.get(`/api/chat/sessions/${session}/stream?after=${messageId}.0`, {
      headers: { 'Last-Event-ID': `${messageId}.10` },
    });
    assert.match(answer.text, /^id: \d+\.15\ndata: \{"content":"tok2 "/);
  });

  test('has only positions of its own', async () => {
    const { user, model, session } = await setup('tokens=3');
    const live = await user.stream(model, session, 'hi');
    const other = await user.stream(model, uniqueName('other'), 'hi');
    const stranger = await context.server.user();
    const path = `/api/chat/sessions/${session}/stream`;
    for (const id of ['x', '1', '1.', '.1', '1.x', '-1.2', '1.-2', '1.2.3', '1.2.', '1.2end', '1.2.ended', '.end', ' 1.2', '1e3.1', `${'9'.repeat(20)}.1`]) {
      assertError(await user.get(`${path}?after=${encodeURIComponent(id)}`), 400, 'invalid_field');
    }
    assertError(await user.get(path, { headers: { 'Last-Event-ID': '5' } }), 400, 'invalid_field');
    assertError(await user.get(`${path}?after=${other.messageId}.0`), 404, 'message_not_found');
    assertError(await user.get(`${path}?after=${live.last.user_message_id}.0`), 404, 'message_not_found');
    assertError(await user.get(`${path}?after=999999.0`), 404, 'message_not_found');
    assertError(await user.get('/api/chat/sessions/none/stream'), 404, 'session_not_found');
    assertError(await stranger.get(`${path}?after=${live.messageId}.0`), 404, 'session_not_found');
    assertError(await stranger.get(path), 404, 'session_not_found');
    assert.equal((await fetch(`${context.server.url}${path}`)).status, 401);
  });

  test('tells how it failed to those who come later, too', async () => {
    const { user, model, session } = await setup('tokens=8,fault=reset_mid,at=3');
    const live = await user.stream(model, session, 'hi');
    assert.ok(live.last.error);
    const later = await user.resume(session, `${live.messageId}.5`);
    await later.end();
    assert.equal(`tok0 ${later.text}`, live.text);
    assert.deepEqual(later.last, live.last);
  });

  test('tells every viewer when it is stopped, and when its session is deleted', async () => {
    for (const how of ['stop', 'delete']) {
      const { user, model, session } = await setup('fault=endless,pace=10');
      const live = await user.open(model, session, 'hi');
      await live.until(() => live.text.includes('tok3'));
      const viewers = await Promise.all([user.resume(session), user.resume(session, live.frames[0].id)]);
      if (how === 'stop') await user.ok('POST', `/api/chat/sessions/${session}/stop`, {});
      else await user.ok('DELETE', `/api/chat/sessions/${session}`);
      await Promise.all([live, ...viewers].map((reader) => within(reader.end(), 'the stream ends')));
      for (const { last } of [live, ...viewers]) {
        assert.equal(how === 'stop' ? last.finish_reason : last.code, how === 'stop' ? 'stopped' : 'session_deleted');
      }
      assert.equal(viewers[0].text, live.text);
      assert.equal(live.frames[0].data.content + viewers[1].text, live.text);
    }
  });

  test('is pinged while the model thinks, and while it makes a pause', async () => {
    const { user, model, session } = await setup('fault=hang');
    const pausing = await user.model(context.mock.url('tokens=4,fault=hang_mid,at=2'));
    const whole = user.say(model, session, 'hi');
    const viewer = await eventually(() => user.resume(session).catch(() => null), 'it runs');
    const paused = await user.open(pausing, `${session}-2`, 'hi');
    // Clients of Anthropic's API know pings as events.
    const controller = new AbortController();
    const events = await user.fetch('POST', '/v1/messages', {
      model: pausing, max_tokens: 9, stream: true, messages: [{ role: 'user', content: 'hi' }],
    }, { signal: controller.signal });
    const pinged = (async () => {
      let text = '';
      for await (const bytes of events.body) {
        text += Buffer.from(bytes);
        if (text.endsWith('event: ping\ndata: {"type":"ping"}\n\n')) return text;
      }
      return assert.fail(text);
    })();
    await Promise.all([viewer, paused].map((reader) => reader.until(() => reader.raw.endsWith(': ping\n\n'))));
    assert.ok(!(await within(pinged, 'a ping')).includes(': ping\n\n'));
    controller.abort();
    assert.equal(viewer.frames.length, 0);
    assert.equal(paused.text, 'tok0 tok1 ');
    for (const id of [session, `${session}-2`]) await user.ok('POST', `/api/chat/sessions/${id}/stop`, {});
    await Promise.all([whole, viewer.end(), paused.end()]);
    assert.equal(paused.last.finish_reason, 'stopped');
  });

  test('that grew too long says so to a viewer', async () => {
    const { user, model, session } = await setup('fault=endless,size=60000,pace=1');
    const live = await user.open(model, session, 'hi');
    await live.until(() => live.text.length > 0);
    const viewer = await user.resume(session);
    await within(viewer.end(), 'the stream ends', HANG_MS);
    assert.equal(viewer.last.code, 'reply_too_long');
    assert.ok(viewer.text.length > 8_000_000);
    const later = await user.resume(session, `${viewer.messageId}.8000000`);
    await within(later.end(), 'the stream ends', HANG_MS);
    assert.equal(viewer.text.slice(0, 8_000_000) + later.text, viewer.text);
    assert.deepEqual(later.last, viewer.last);
    await live.chunks.return();
  });
});

describe('a reply that outlives its server', () => {
  const started = async (env = {}) => {
    const mock = await startMock();
    const server = await startServer({ env: { ...LOOPBACK, ...env } });
    return { mock, server, user: await server.user(), done: async () => { await mock.stop(); server.home.remove(); } };
  };

  test('by SIGTERM is interrupted and told from any position', async () => {
    const { mock, server, user, done } = await started({ TIDETALK_DRAIN: '200ms' });
    const model = await user.model(mock.url(`${MIXED},pace=60`));
    const live = await user.open(model, 'kept', 'hi');
    await live.until(() => live.frames.length > 15);
    const viewer = await user.resume('kept');
    server.signal('SIGTERM');
    await Promise.all([live, viewer].map((reader) => within(reader.end(), 'the stream ends')));
    assert.equal(live.last.code, 'shutting_down');
    assert.equal(viewer.text, live.text);
    assert.deepEqual(viewer.last, live.last);
    assert.equal(await within(server.exited, 'the server ends'), 0);
    await server.start();
    const [, reply] = await user.messages('kept');
    assert.deepEqual([reply.status, reply.content], ['interrupted', live.text]);
    for (const [position, content, reasoning] of cutsOf(live.frames.slice(0, -1))) {
      const reader = await user.resume('kept', `${live.messageId}.${position}`);
      await reader.end();
      assert.equal(content + reader.text, live.text);
      assert.equal(reasoning + reader.reasoning, live.reasoning);
      assert.deepEqual(reader.last, live.last);
    }
    await server.stop();
    await done();
  });

  test('by SIGKILL is reset for a client that knows more than was stored', async () => {
    const { mock, server, user, done } = await started();
    const model = await user.model(mock.url('echo=1,size=1,interleave=7,pace=3'));
    const live = await user.open(model, 'killed', TEXT.repeat(60));
    await live.until(() => live.frames.length > 500);
    await server.kill();
    await live.until(() => false).catch(() => {});
    await server.start();
    const [, reply] = await user.messages('killed');
    assert.equal(reply.status, 'interrupted');
    const recovered = await user.ok('GET', '/api/chat/recover?session_id=killed');
    assert.equal(recovered.cached_response, reply.content);
    assert.ok(live.text.startsWith(reply.content), 'what is stored was told');
    assert.ok(reply.content.length > 0, 'checkpoints were stored');
    const cuts = cutsOf(live.frames);
    const ahead = await user.resume('killed', live.frames.at(-1).id);
    await ahead.end();
    assert.ok(ahead.reset, 'the client was ahead');
    assert.equal(ahead.text, reply.content);
    assert.ok(live.reasoning.startsWith(ahead.reasoning));
    assert.equal(ahead.last.code, 'interrupted');
    const stored = ahead.frames[0].seq;
    assert.equal(cuts.find(([position]) => position === stored)[1], reply.content, 'in the order in which it came');
    for (const [position, content, reasoning] of cuts.filter(([at], i) => at <= stored && i % 25 === 0)) {
      const reader = await user.resume('killed', `${live.messageId}.${position}`);
      await reader.end();
      assert.ok(!reader.reset);
      assert.equal(content + reader.text, ahead.text);
      assert.equal(reasoning + reader.reasoning, ahead.reasoning);
    }
    await server.stop();
    await done();
  });
});

describe('recover', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('has what ended while nobody listened, until the next message', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url(`${MIXED},pace=10`));
    const path = '/api/chat/recover?session_id=left';
    const live = await user.open(model, 'left', 'hi');
    await live.until(() => live.frames.length > 3);
    await live.chunks.return(); // leaves
    await eventually(async () => (await user.messages('left'))[1].status === 'complete', 'it ends');
    assert.equal((await user.ok('GET', path)).cached_response, TEXT);
    assert.equal((await user.ok('GET', path)).cached_response, TEXT, 'asking changes nothing');
    const stranger = await context.server.user();
    assertError(await stranger.get(path), 404, 'nothing_to_recover');
    await user.stream(model, 'left', 'again');
    assertError(await user.get(path), 404, 'nothing_to_recover');
  });

  test('has nothing when somebody heard the end', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('tokens=10,pace=30'));
    const path = '/api/chat/recover?session_id=heard';
    const live = await user.open(model, 'heard', 'hi');
    await live.until(() => live.frames.length > 0);
    const viewer = await user.resume('heard');
    await live.chunks.return();
    await viewer.end();
    assertError(await user.get(path), 404, 'nothing_to_recover');
    await user.say(model, 'heard', 'whole');
    assertError(await user.get(path), 404, 'nothing_to_recover');
  });
});
