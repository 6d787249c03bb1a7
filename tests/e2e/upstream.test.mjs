// covers: upstream, chat, reply
// What goes wrong at the model's side, and how it is told: before the first byte as a plain error
// with its status, after it as the stream's last frame, always with what there is stored.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const ESTABLISHED = '01';
const KEEP_ALIVE = '02';

/** Whether a connection to the port has the kernel's keep-alive timer, proc_pid_net_tcp(5). */
const probed = (port) => readFileSync('/proc/self/net/tcp', 'utf8').split('\n').slice(1)
  .map((line) => line.trim().split(/\s+/))
  .some(([, , remote, state, , timer]) => state === ESTABLISHED && timer.startsWith(`${KEEP_ALIVE}:`)
    && parseInt(remote.split(':')[1], 16) === Number(port));

const SHORT = {
  TIDETALK_UPSTREAM_FIRST_BYTE_TIMEOUT: '1s',
  TIDETALK_UPSTREAM_BETWEEN_TIMEOUT: '1s',
};

describe('the upstream fails', () => {
  const context = withServer({ env: { ...LOOPBACK, ...SHORT }, mock: true });

  const setup = async (baseUrl) => {
    const user = await context.server.user();
    return { user, model: await user.model(baseUrl), session: uniqueName('session') };
  };

  /** [status, code] before the first byte. */
  const EARLY = {
    'status=400': [502, 'upstream_rejected'],
    'status=401': [502, 'upstream_unauthorized'],
    'status=403': [502, 'upstream_unauthorized'],
    'status=404': [502, 'upstream_not_found'],
    'status=429,retry_after=7': [502, 'upstream_rate_limited'],
    'status=500': [502, 'upstream_failed'],
    'status=503': [502, 'upstream_overloaded'],
    'status=302': [502, null], // never followed
    'fault=refuse': [502, null],
    'fault=reset': [502, null],
    'fault=reset_headers': [502, null],
    'fault=reset_mid,at=0': [502, null],
    'fault=close_mid,at=0': [502, null],
    'fault=garbage': [502, null],
    'fault=html,status=502': [502, null],
    'fault=html': [502, null],
    'fault=bigline,at=0': [502, 'upstream_line_too_long'],
    'fault=gzipbomb': [502, null],
    'fault=hang': [504, 'upstream_timeout'],
    'fault=hang_headers': [504, 'upstream_timeout'],
    'fault=hang_mid,at=0': [504, null],
  };

  for (const [scenario, [status, code]] of Object.entries(EARLY)) {
    test(`before the first byte: ${scenario}`, async () => {
      const { user, model, session } = await setup(context.mock.url(scenario));
      for (const path of ['/api/chat/message', '/api/chat/message/stream']) {
        const answer = await user.post(path, { session_id: session, model_name: model, message: 'hi' });
        const { error } = assertError(answer, status, code ?? answer.body?.code);
        assert.doesNotMatch(error, /mock|<html|Location/, 'nothing of the upstream is told');
        assert.doesNotMatch(error, /\{\w+\}/);
      }
      const stored = await user.messages(session);
      assert.deepEqual(stored.map((m) => [m.role, m.content, m.status]), [
        ['user', 'hi', 'complete'], ['assistant', '', 'error'],
        ['user', 'hi', 'complete'], ['assistant', '', 'error'],
      ]);
    });
  }

  test('nobody listens there', async () => {
    const { user, model, session } = await setup(`http://127.0.0.1:${await freePort()}/v1`);
    const answer = await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
    assertError(answer, 502, 'upstream_refused');
  });

  test('no such host', async () => {
    const { user, model, session } = await setup('https://nowhere.invalid/v1');
    const answer = await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
    assertError(answer, 502, 'dns_failed');
  });

  /** Code after some text, null when any will do. */
  const LATE = {
    'tokens=8,fault=reset_mid,at=4': 'upstream_reset',
    'tokens=8,fault=close_mid,at=4': null,
    'tokens=8,fault=hang_mid,at=4': 'upstream_stalled',
    'tokens=8,fault=badjson,at=4': null,
    'tokens=8,fault=error_mid,at=4': 'upstream_failed', // by the error's type, server_error
    'tokens=8,fault=bigline,at=4': 'upstream_line_too_long',
    'tokens=4,done=0,finish=stop,chunked=0': undefined, // complete: it said why it ended
  };

  for (const [scenario, code] of Object.entries(LATE)) {
    test(`after some text: ${scenario}`, async () => {
      const text = 'tok0 tok1 tok2 tok3 ';
      const { user, model, session } = await setup(context.mock.url(scenario));
      const stream = await user.stream(model, session, 'hi');
      assert.equal(stream.text, text);
      const [, reply] = await user.messages(session);
      if (code === undefined) {
        assert.equal(stream.last.error, undefined);
        assert.equal(reply.status, 'complete');
        return;
      }
      assert.equal(typeof stream.last.error, 'string');
      assert.equal(stream.last.done, true);
      assert.equal(stream.last.code, code ?? stream.last.code);
      assert.match(stream.last.code, /^upstream_[a-z_]+$/);
      assert.deepEqual([reply.content, reply.status], [text, 'error']);
      const answer = await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
      assertError(answer, code === 'upstream_stalled' ? 504 : 502, stream.last.code);
    });
  }

  test('the error frame is in the language of the client', async () => {
    const user = await context.server.user(undefined, { language: 'zh-CN' });
    const stream = await user.stream('demo', uniqueName('error'), '/error');
    assert.match(stream.last.error, /\p{Script=Han}/u);
    assert.equal(stream.last.code, 'upstream_failed');
  });

  test('JSON where a stream was asked for is understood', async () => {
    const { user, model, session } = await setup(context.mock.url('tokens=3,fault=wrongtype'));
    assert.equal((await user.stream(model, session, 'hi')).text, 'tok0 tok1 tok2 ');
  });

  test('a reply that grows over the limit is cut there and kept', async () => {
    const { user, model, session } = await setup(context.mock.url('tokens=9000,size=1024'));
    const stream = await user.stream(model, session, 'hi');
    assert.equal(stream.last.code, 'reply_too_long');
    assert.ok(stream.text.length >= 8 * 1024 * 1024 - 2048, String(stream.text.length));
    const [, reply] = await user.messages(session);
    assert.ok(reply.content === stream.text, 'what was told is what is stored');
  });

  test('events of the wrong types are passed over', async () => {
    const { user, model, session } = await setup(context.mock.url('tokens=4,fault=wrongjson'));
    assert.equal((await user.stream(model, session, 'hi')).text, 'tok0 tok1 tok2 tok3 ');
  });

  test('an upstream whose machine is gone would be noticed: a silent connection is probed', async () => {
    const { user, model, session } = await setup(context.mock.url('first=900'));
    const asked = user.say(model, session, 'hi');
    const port = new URL(context.mock.url('x')).port;
    await eventually(() => probed(port), 'the keep-alive timer of its connection');
    await asked;
  });

  test('a bad upstream costs nobody else anything', async () => {
    const { user, model } = await setup(context.mock.url('fault=hang'));
    const hanging = Promise.all(Array.from({ length: 20 }, () => user.post('/api/chat/message', {
      session_id: uniqueName('hang'), model_name: model, message: 'hi',
    })));
    const good = await user.model(context.mock.url('echo=1'));
    assert.equal((await user.say(good, uniqueName('good'), 'ahoy')).response, 'ahoy');
    for (const answer of await hanging) assertError(answer, 504, 'upstream_timeout');
  });
});
