// late
// covers: upstream, chat, policy
// Deadlines that a configuration has of its own, and what happens when an upstream does not answer
// while there is still time to ask again or somebody else.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { statusOf } from './support/admin.mjs';
import { uniqueName } from './support/client.mjs';
import { eventually, pause, test } from './support/limits.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

/** A user with several configurations of one model, in this order. */
async function withModel(context, ...urls) {
  const user = await context.server.user();
  for (const url of urls) await user.model(url, { model_name: 'same' });
  const session = uniqueName('fallback');
  const post = (path = '/api/chat/message', more = {}) => user.post(path, {
    session_id: session, model_name: 'same', message: 'hi', ...more,
  });
  return { user, session, post };
}

/** How often a scenario was asked, by its label. */
async function asked(context, label) {
  const requests = await context.mock.requests();
  return requests.filter((r) => r.path.includes(`id=${label}`)).length;
}

const label = () => uniqueName('l');

describe('deadlines of a configuration', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  for (const [deadlines, scenario, code] of [
    [{ first_byte: 200 }, 'fault=hang', 'upstream_timeout'],
    [{ between: 200 }, 'fault=hang_mid,at=0', 'upstream_stalled'],
    [{ total: 300 }, 'tokens=100000,pace=20,at=0,comments=1', 'upstream_timeout'],
  ]) {
    test(`${JSON.stringify(deadlines)} instead of the settings'`, async () => {
      const user = await context.server.user();
      const model = await user.model(context.mock.url(scenario), { deadlines });
      const answer = await user.post('/api/chat/message', {
        session_id: uniqueName('deadline'), model_name: model, message: 'hi',
      });
      assertError(answer, 504, code);
    });
  }
});

describe('another configuration stands in', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_UPSTREAM_RETRY_WAIT: '50ms' }, mock: true });

  for (const scenario of ['status=429', 'status=500', 'status=503', 'status=529']) {
    test(`for ${scenario}, on each route, each asked once`, async () => {
      const [bad, good] = [label(), label()];
      const { user, session, post } = await withModel(
        context, context.mock.url(`${scenario},id=${bad}`), context.mock.url(`tokens=3,id=${good}`),
      );
      const answer = await post();
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.response, 'tok0 tok1 tok2 ');
      assert.equal(answer.body.usage.attempts, 2);
      assert.equal(answer.body.usage.possibly_charged_twice, undefined);
      const stream = await user.stream('same', session, 'hi');
      assert.equal(stream.text, 'tok0 tok1 tok2 ');
      assert.equal(stream.last.usage.attempts, 2);
      assert.deepEqual([await asked(context, bad), await asked(context, good)], [2, 2]);
      const stored = await user.messages(session);
      assert.deepEqual(stored.map((m) => m.status), Array(4).fill('complete'));
      assert.equal(stored[1].usage.attempts, 2);
    });
  }

  test('for a port that nobody listens on, for a name that is not there, and at the OpenAI door', async () => {
    for (const url of [`http://127.0.0.1:${await freePort()}/v1`, 'https://nowhere.invalid/v1']) {
      const { user, post } = await withModel(context, url, context.mock.url('tokens=2'));
      assert.equal((await post()).body.response, 'tok0 tok1 ');
      const completion = await user.ok('POST', '/v1/chat/completions', {
        model: 'same', messages: [{ role: 'user', content: 'hi' }],
      });
      assert.equal(completion.choices[0].message.content, 'tok0 tok1 ');
    }
  });

  test('never after the first text', async () => {
    const good = label();
    const { user, session } = await withModel(
      context, context.mock.url('tokens=8,fault=reset_mid,at=4'), context.mock.url(`tokens=3,id=${good}`),
    );
    const stream = await user.stream('same', session, 'hi');
    assert.equal(stream.text, 'tok0 tok1 tok2 tok3 ');
    assert.equal(stream.last.code, 'upstream_reset');
    assert.equal(await asked(context, good), 0);
  });

  test('not for what another one would refuse too, nor when the request may be charged', async () => {
    for (const [scenario, code] of [
      ['status=400', 'upstream_rejected'], ['status=401', 'upstream_unauthorized'],
      ['status=404', 'upstream_not_found'], ['fault=html', 'upstream_bad_response'],
      ['fault=reset', 'upstream_reset'],
    ]) {
      const good = label();
      const { post } = await withModel(
        context, context.mock.url(scenario), context.mock.url(`tokens=3,id=${good}`),
      );
      assertError(await post(), 502, code);
      assert.equal(await asked(context, good), 0, scenario);
    }
  });

  test('not for an address in the request: the other key is not for it', async () => {
    const bad = label();
    const { post } = await withModel(context, context.mock.url('tokens=1'), context.mock.url('tokens=3'));
    assertError(await post('/api/chat/message', { BaseUrl: context.mock.url(`status=500,id=${bad}`) }),
      502, 'upstream_failed');
    const keys = new Set((await context.mock.requests())
      .filter((r) => r.path.includes(bad)).map((r) => r.headers.authorization));
    assert.equal(keys.size, 1);
  });

  test('the same one is asked again, after the wait that it asks for', async () => {
    const one = label();
    const { post } = await withModel(context, context.mock.url(`status=429,retry_after=1,fails=1,tokens=2,id=${one}`));
    const begun = Date.now();
    const answer = await post();
    assert.equal(answer.body.response, 'tok0 tok1 ', answer.text);
    assert.ok(Date.now() - begun >= 900);
    assert.equal(await asked(context, one), 2);
  });

  test('not when it asks for more than the limit', async () => {
    const one = label();
    const { post } = await withModel(context, context.mock.url(`status=429,retry_after=60,fails=1,id=${one}`));
    const answer = await post();
    assertError(answer, 502, 'upstream_rate_limited');
    assert.equal(answer.headers.get('retry-after'), '60');
    assert.equal(await asked(context, one), 1);
  });

  test('what was tried is in the log, without keys and questions', async () => {
    const { post, user } = await withModel(context, context.mock.url('status=503'), context.mock.url('tokens=1'));
    const answer = await post();
    const line = context.server.log().split('\n').filter((l) => l.includes('upstream failed'))
      .map((l) => JSON.parse(l)).find((l) => l.message_id === answer.body.message_id);
    assert.deepEqual([line.attempt, line.code, line.http_status, line.retried, line.upstream],
      [1, 'upstream_overloaded', 503, true, context.mock.origin]);
    assert.ok(!context.server.log().includes(user.apiKey));
  });
});

describe('a request that was sent and got no answer', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_UPSTREAM_RETRY_AFTER_SEND: 'true' }, mock: true });

  test('is sent again when the operator says so, and that is recorded', async () => {
    const { user, session, post } = await withModel(
      context, context.mock.url('fault=reset'), context.mock.url('tokens=2'),
    );
    const answer = await post();
    assert.equal(answer.body.response, 'tok0 tok1 ', answer.text);
    assert.deepEqual([answer.body.usage.attempts, answer.body.usage.possibly_charged_twice], [2, true]);
    assert.equal((await user.messages(session))[1].usage.possibly_charged_twice, true);
    // At the OpenAI routes too, and in the sums.
    const { usage } = await user.ok('POST', '/v1/chat/completions', {
      model: 'same', messages: [{ role: 'user', content: 'hi' }],
    });
    assert.equal(usage.possibly_charged_twice, true);
    const [row] = (await user.ok('GET', '/api/usage')).data;
    assert.deepEqual([row.requests, row.possibly_charged_twice], [2, 2]);
  });
});

describe('waiting for another try', () => {
  const context = withServer({
    env: { ...LOOPBACK, TIDETALK_UPSTREAM_RETRY_WAIT: '60s', TIDETALK_DRAIN: '1s' }, mock: true,
  });

  test('is stopped like a running reply', async () => {
    const one = label();
    const { user, session, post } = await withModel(context, context.mock.url(`status=500,id=${one}`));
    const waiting = post();
    await eventually(async () => (await asked(context, one)) === 1, 'the first try');
    await eventually(async () => (await context.mock.stats()).active === 0, 'its end');
    await pause(50);
    assert.equal((await user.ok('POST', `/api/chat/sessions/${session}/stop`, {})).stopped, true);
    const answer = await waiting;
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.response, '');
    assert.equal(await asked(context, one), 1);
    assert.equal((await user.messages(session))[1].status, 'stopped');
  });

  test('ends with the server', async () => {
    const one = label();
    const { post } = await withModel(context, context.mock.url(`status=500,id=${one}`));
    const waiting = post();
    await eventually(async () => (await asked(context, one)) === 1, 'the first try');
    context.server.signal('SIGTERM');
    assertError(await waiting, 503, 'shutting_down');
  });
});

describe('an upstream that fails again and again', () => {
  const context = withServer({
    env: {
      ...LOOPBACK,
      TIDETALK_UPSTREAM_RETRIES: '0',
      TIDETALK_UPSTREAM_BREAKER_FAILURES: '3',
      TIDETALK_UPSTREAM_BREAKER_PAUSE: '2s',
      TIDETALK_UPSTREAM_IN_FLIGHT: '2',
    },
    mock: true,
  });

  const breakersOf = async (state) => (await statusOf(context.server)).breakers.filter((b) => b.state === state);

  test('is left alone for a while, for the one whose key it is, and then asked again', async () => {
    const one = label();
    const { post } = await withModel(context, context.mock.url(`status=500,fails=3,tokens=1,id=${one}`));
    const other = await withModel(context, context.mock.url('tokens=1'));
    for (let i = 0; i < 3; i += 1) assertError(await post(), 502, 'upstream_failed');
    const refused = await post();
    assertError(refused, 503, 'upstream_circuit_open');
    assert.match(refused.headers.get('retry-after'), /^[12]$/);
    assert.equal(await asked(context, one), 3);
    const [open] = await breakersOf('open');
    assert.deepEqual([open.upstream, open.failures, open.opened, open.refused],
      [context.mock.origin, 3, 1, 1]);
    assert.match(open.key, /^[0-9a-f]{8}$/);
    assert.equal((await other.post()).status, 200);
    const answer = await eventually(async () => {
      const again = await post();
      return again.status === 200 && again;
    }, 'it is asked again');
    assert.equal(answer.body.response, 'tok0 ');
    assert.deepEqual(await breakersOf('open'), []);
  });

  test('closes no other model of the same address and key', async () => {
    const { post, user } = await withModel(context, context.mock.url('status=500'));
    for (let i = 0; i < 3; i += 1) await post();
    assertError(await post(), 503, 'upstream_circuit_open');
    const good = await user.model(context.mock.url('tokens=1'), { model_name: 'good' });
    assert.equal((await user.say(good, label(), 'hi')).response, 'tok0 ');
  });

  test('is passed over at once when another one can stand in', async () => {
    const [bad, good] = [label(), label()];
    const { post, user } = await withModel(context, context.mock.url(`status=500,id=${bad}`));
    for (let i = 0; i < 3; i += 1) await post();
    await user.model(context.mock.url(`tokens=1,id=${good}`), {
      model_name: 'same', api_key: 'sk-another-key-0123456789',
    });
    const answer = await post();
    assert.equal(answer.body.response, 'tok0 ', answer.text);
    assert.deepEqual([await asked(context, bad), await asked(context, good)], [3, 1]);
  });

  test('a connection test asks all the same', async () => {
    const one = label();
    const { post, user } = await withModel(context, context.mock.url(`status=500,fails=3,id=${one}`));
    for (let i = 0; i < 3; i += 1) await post();
    const { api } = await user.ok('GET', '/api/user/apis/first');
    assert.equal((await user.ok('POST', `/api/user/apis/${api.id}/test`, {})).ok, true);
    assert.equal((await post()).status, 200, 'and its answer closes the breaker');
  });

  test('too many calls at the same time are busy, and another one stands in', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('first=3000,tokens=1'));
    const ask = () => user.post('/api/chat/message', {
      session_id: uniqueName('cap'), model_name: model, message: 'hi',
    });
    const running = [ask(), ask()];
    await eventually(async () => (await context.mock.stats()).active >= 2, 'two calls');
    const refused = await ask();
    assertError(refused, 503, 'busy');
    assert.equal(refused.headers.get('retry-after'), '1');
    await user.model(context.mock.url('text=other'), { model_name: model, api_key: 'sk-another-key-0123456789' });
    assert.equal((await ask()).body.response, 'other');
    for (const answer of await Promise.all(running)) assert.equal(answer.status, 200);
  });
});

describe('balance', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_UPSTREAM_BALANCE: 'spread' }, mock: true });

  test('each configuration of a model gets its share', async () => {
    const labels = [label(), label(), label()];
    const { user } = await withModel(context, ...labels.map((l) => context.mock.url(`tokens=1,id=${l}`)));
    for (let i = 0; i < 40; i += 1) await user.say('same', uniqueName('share'), 'hi');
    for (const one of labels) assert.ok(await asked(context, one) > 0, one);
  });
});
