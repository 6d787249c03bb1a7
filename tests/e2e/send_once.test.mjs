// A message that is sent to the stream again under the same Idempotency-Key: it is stored once, and
// who comes again joins its reply.
// covers: chat, web
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { eventually, test, within } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { SseReader } from './support/sse.mjs';
import { assertError, withServer } from './support/suite.mjs';

const PATH = '/api/chat/message/stream';

describe('a message with an Idempotency-Key', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LIMITS_REPLY_MEMORY: '16MiB' }, mock: true });

  const setup = async (scenario) => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url(scenario));
    const session = uniqueName('session');
    return { user, session, wish: { session_id: session, model_name: model, message: 'hi' } };
  };
  const keyed = (key, more) => ({ headers: { 'Idempotency-Key': key, ...more } });
  const asked = async () => (await context.mock.stats()).requests;
  const isReplay = (reader) => reader.headers.get('idempotent-replayed') === 'true';

  /** An SseReader of what is answered, which must be a stream. */
  const open = async (user, wish, key, more) => {
    const response = await user.fetch('POST', PATH, wish, keyed(key, more));
    if (response.status !== 200) assert.fail(`${response.status} ${await response.text()}`);
    return new SseReader(response, Number(more?.['Last-Event-ID']?.split('.')[1] ?? 0));
  };
  const whole = async (user, wish, key, more) =>
    within((await open(user, wish, key, more)).end(), 'the stream ends');

  test('joins the reply that runs, from its beginning', async () => {
    const { user, session, wish } = await setup('tokens=40,pace=20');
    const before = await asked();
    const first = await open(user, wish, 'k');
    await first.until(() => first.frames.length > 3);
    const second = await open(user, wish, 'k');
    await Promise.all([first.end(), second.end()]);
    assert.ok(!isReplay(first));
    assert.ok(isReplay(second));
    assert.equal(second.text, first.text);
    assert.deepEqual(second.last, first.last);
    assert.equal(await asked(), before + 1);
    assert.equal((await user.messages(session)).length, 2);
  });

  test('is told its stored reply again, also after a restart', async () => {
    const { user, session, wish } = await setup('tokens=5,reasoning=2');
    const first = await whole(user, wish, 'k');
    for (const restart of [false, true]) {
      if (restart) {
        await context.server.kill();
        await context.server.start();
      }
      const again = await whole(user, wish, 'k');
      assert.ok(isReplay(again));
      assert.equal(again.text, first.text);
      assert.equal(again.reasoning, first.reasoning);
      assert.deepEqual(again.last, first.last);
    }
    assert.equal((await user.messages(session)).length, 2);
    const other = await whole(user, wish, 'another');
    assert.ok(!isReplay(other));
    assert.equal((await user.messages(session)).length, 4);
  });

  test('goes on where the client says', async () => {
    const { user, session, wish } = await setup(`text=${encodeURIComponent('潮水来了')}`);
    const first = await whole(user, wish, 'k');
    const { messageId } = first;
    const rest = await whole(user, wish, 'k', { 'Last-Event-ID': `${messageId}.6` });
    assert.ok(isReplay(rest));
    assert.equal(rest.text, '来了');
    const ended = await user.post(PATH, wish, keyed('k', { 'Last-Event-ID': first.frames.at(-1).id }));
    assert.equal(ended.status, 204);
    const other = await whole(user, { ...wish, session_id: uniqueName() }, 'other');
    for (const id of ['x', `${messageId}.1`, `${other.messageId}.0`]) {
      assertError(await user.post(PATH, wish, keyed('k', { 'Last-Event-ID': id })), 400, 'invalid_field');
    }
    assert.equal((await user.messages(session)).length, 2);
    // A new message begins at its beginning, whatever is asked for.
    const fresh = await whole(user, wish, 'k-2', { 'Last-Event-ID': `${messageId}.0` });
    assert.ok(!isReplay(fresh));
  });

  test('stands for one request of one user', async () => {
    const { user, wish } = await setup('');
    await whole(user, wish, 'one');
    const other = { ...wish, message: 'other' };
    assertError(await user.post(PATH, other, keyed('one')), 422, 'idempotency_key_reused');
    assertError(await user.post('/api/chat/message', wish, keyed('one')), 422, 'idempotency_key_reused');
    assertError(await user.post(PATH, wish, keyed('é')), 400, 'idempotency_key_invalid');
    const stranger = await setup('');
    assert.ok(!isReplay(await whole(stranger.user, stranger.wish, 'one')));
    assertError(await stranger.user.post(PATH, wish, keyed('one')), 422, 'idempotency_key_reused');
    const running = await setup('first=500');
    const first = open(running.user, running.wish, 'two');
    await eventually(async () => (await running.user.messages(running.session).catch(() => [])).length > 0, 'it begins');
    assertError(await running.user.post(PATH, { ...running.wish, message: 'x' }, keyed('two')),
      422, 'idempotency_key_reused');
    await (await first).end();
  });

  test('is sent once by many who send it at the same time, in a session that is new', async () => {
    const { user, session, wish } = await setup('tokens=20,first=100,pace=5');
    const before = await asked();
    const readers = await Promise.all(Array.from({ length: 12 }, () => whole(user, wish, 'many')));
    assert.equal(readers.filter((reader) => !isReplay(reader)).length, 1);
    assert.equal(new Set(readers.map(({ text, last }) => text + JSON.stringify(last))).size, 1);
    assert.equal(await asked(), before + 1);
    assert.equal((await user.messages(session)).length, 2);
  });

  test('waits for the turn before it, however often it is sent', async () => {
    const { user, session, wish } = await setup('tokens=30,pace=20');
    const before = await user.open(wish.model_name, session, 'first');
    const readers = [1, 2, 3].map(() => whole(user, wish, 'queued'));
    await before.end();
    assert.equal((await Promise.all(readers)).filter((reader) => !isReplay(reader)).length, 1);
    assert.equal((await user.messages(session)).length, 4);
  });

  test('finds the reply of a client that left at once', async () => {
    const { user, session, wish } = await setup('first=300,tokens=5');
    const before = await asked();
    const controller = new AbortController();
    const leaving = user.fetch('POST', PATH, wish, { ...keyed('left'), signal: controller.signal });
    await eventually(async () => await asked() > before, 'the upstream is asked');
    controller.abort();
    await assert.rejects(leaving);
    const reader = await whole(user, wish, 'left');
    assert.ok(isReplay(reader));
    assert.ok(reader.text.endsWith('tok4 '));
    assert.equal((await user.messages(session)).length, 2);
  });

  test('is free again when the reply failed before it began', async () => {
    const { user, session, wish } = await setup('first=200,status=400,fails=1,id=stream_once');
    const before = await asked();
    const first = user.post(PATH, wish, keyed('failed'));
    await eventually(async () => await asked() > before, 'the upstream is asked');
    const joined = user.post(PATH, wish, keyed('failed'));
    const [failed, beside] = await Promise.all([first, joined]);
    assert.equal(failed.status, 502, failed.text);
    assert.equal(beside.status, 502, 'it joined the attempt that failed');
    const changed = { ...wish, message: 'hello' };
    const again = await whole(user, changed, 'failed');
    assert.ok(!isReplay(again));
    assert.equal(again.last.finish_reason, 'stop');
    assert.equal((await user.messages(session)).length, 4);
    assert.ok(isReplay(await whole(user, changed, 'failed')));
  });

  test('is free again when the reply failed without a byte, ten seconds and more after it was sent', async () => {
    const { user, wish } = await setup('first=10500,status=400,fails=1,id=stream_late');
    const failed = await whole(user, wish, 'late');
    assert.equal(failed.last.code, 'upstream_rejected');
    const again = await whole(user, wish, 'late');
    assert.ok(!isReplay(again));
    assert.equal(again.last.finish_reason, 'stop');
  });

  test('is free again when it was refused', async () => {
    const { user, wish } = await setup('');
    const unknown = { ...wish, model_name: 'later' };
    assertError(await user.post(PATH, unknown, keyed('refused')), 422, 'no_api_for_model');
    await user.model(context.mock.url(''), { model_name: 'later' });
    assert.ok(!isReplay(await whole(user, unknown, 'refused')));
  });

  test('is free again when no reply could be made for the message', async () => {
    const { user, wish } = await setup('');
    const large = await user.model(context.mock.url('tokens=8,size=1000000,fault=hang_mid,at=7'));
    const sessions = [uniqueName(), uniqueName(), uniqueName()];
    for (const session of sessions) {
      const reader = await user.open(large, session, 'hi');
      await reader.until(() => reader.text.length === 7_000_000 || reader.last);
      await reader.response.body.cancel().catch(() => {});
    }
    assertError(await user.post(PATH, wish, keyed('full')), 503, 'busy');
    const changed = { ...wish, message: 'hello' };
    assertError(await user.post(PATH, changed, keyed('full')), 503, 'busy');
    for (const session of sessions) await user.ok('POST', `/api/chat/sessions/${session}/stop`, {});
    const again = await eventually(async () => {
      const answer = await user.post(PATH, changed, keyed('full'));
      return answer.status === 200 && answer;
    }, 'there is room');
    assert.equal(again.headers.get('idempotent-replayed'), null);
  });

  test('keeps a reply that failed after it had begun', async () => {
    const { user, session, wish } = await setup('tokens=6,fault=reset_mid,at=3');
    const first = await whole(user, wish, 'torn');
    assert.ok(first.last.code.startsWith('upstream_'), first.last.code);
    const again = await whole(user, wish, 'torn');
    assert.ok(isReplay(again));
    assert.equal(again.text, first.text);
    assert.equal(again.last.code, first.last.code);
    assert.equal((await user.messages(session)).length, 2);
  });

  test('outlives the death of the server in the middle of its reply', async () => {
    const { user, session, wish } = await setup('tokens=1000,pace=5');
    const first = await open(user, wish, 'killed');
    await first.until(() => first.frames.length > 5);
    await context.server.kill();
    await first.until(() => false).catch(() => {});
    await context.server.start();
    for (const id of [undefined, first.frames.at(-1).id]) {
      const again = await whole(user, wish, 'killed', id && { 'Last-Event-ID': id });
      assert.ok(isReplay(again));
      assert.equal(again.messageId, first.messageId);
      assert.equal(again.last.code, 'interrupted');
    }
    assert.equal((await user.messages(session)).length, 2);
  });

  test('is stored once also when the server died before its reply began', async () => {
    const { user, session, wish } = await setup('fault=hang');
    const before = await asked();
    const lost = assert.rejects(user.post(PATH, wish, keyed('died')));
    await eventually(async () => await asked() > before, 'the upstream is asked');
    await context.server.kill();
    await lost;
    await context.server.start();
    const again = await whole(user, wish, 'died');
    assert.ok(isReplay(again));
    assert.equal(again.last.code, 'interrupted');
    assert.equal((await user.messages(session)).length, 2);
  });

  test('is gone with its session', async () => {
    const { user, session, wish } = await setup('');
    await whole(user, wish, 'deleted');
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    assertError(await user.post(PATH, wish, keyed('deleted')), 404, 'session_not_found');
  });
});
