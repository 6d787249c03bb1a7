// covers: upstream, chat, doors, docs/reliability.md
// Everything that an upstream can do wrong, on both routes. What is expected stands in the table of
// docs/reliability.md: a fault that is not in it fails, and so does a row that nobody tests.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { ROOT, freePort } from './support/process.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

/** What the upstream does: before the first text, and after four words. */
const FAULTS = {
  refused: { early: async () => `http://127.0.0.1:${await freePort()}/v1` },
  dns: { early: () => 'https://nowhere.invalid/v1' },
  tls: { early: (context) => `https://127.0.0.1:${context.plain.address().port}/v1` },
  connect_hang: { early: (context) => `https://127.0.0.1:${context.silent.address().port}/v1` },
  reset: { early: 'fault=reset', late: 'fault=reset_mid,at=4' },
  reset_headers: { early: 'fault=reset_headers' },
  close: { early: 'fault=close_mid,at=0', late: 'fault=close_mid,at=4' },
  no_end: { early: 'chunked=0,fault=close_mid,at=0', late: 'chunked=0,fault=close_mid,at=4' },
  no_done: { late: 'tokens=4,done=0,chunked=0' },
  hang: { early: 'fault=hang', late: 'fault=hang_mid,at=4' },
  hang_headers: { early: 'fault=hang_headers' },
  hang_body: { early: 'fault=hang_mid,at=0' },
  garbage: { early: 'fault=garbage' },
  html: { early: 'fault=html' },
  html_error: { early: 'fault=html,status=502' },
  json_for_stream: { late: 'tokens=4,fault=wrongtype' },
  bad_json: { early: 'fault=badjson,at=0', late: 'fault=badjson,at=4' },
  wrong_json: { late: 'tokens=4,fault=wrongjson' },
  big_line: { early: 'fault=bigline,bytes=10000000,at=0', late: 'fault=bigline,bytes=10000000,at=4' },
  endless: { late: 'fault=endless,size=1024' },
  gzip_bomb: { early: 'fault=gzipbomb' },
  empty: { early: 'fault=empty,at=0', late: 'fault=empty,at=4' },
  empty_slow: { early: 'fault=empty,at=0,pace=50', late: 'fault=empty,at=4,pace=50' },
  error_object: { early: 'fault=error_mid,at=0', late: 'fault=error_mid,at=4' },
  redirect: { early: 'status=302' },
  ...Object.fromEntries([400, 401, 403, 404, 408, 429, 500, 503, 529].map(
    (status) => [`status_${status}`, { early: `status=${status}` }],
  )),
};

const WORDS = 'tok0 tok1 tok2 tok3 ';

/** The table: name -> {early, late}, each {status, code} or undefined. */
function table() {
  const cell = (text) => {
    const [, status, code] = /^(\d+)(?: `(\w+)`)?$/.exec(text.trim()) ?? [];
    assert.ok(status || text.trim() === '', `a cell of the table: ${text}`);
    return status && { status: Number(status), code };
  };
  const [, section] = readFileSync(join(ROOT, 'docs', 'reliability.md'), 'utf8').split('\n## ');
  const rows = section.split('\n')
    .map((line) => /^\| `(\w+)` \| [^|]+ \|([^|]*)\|([^|]*)\|$/.exec(line)).filter(Boolean);
  return Object.fromEntries(rows.map(([, name, early, late]) => [name, { early: cell(early), late: cell(late) }]));
}

const residentMiB = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

describe('faults of an upstream', () => {
  const expected = table();
  const context = withServer({
    env: {
      ...LOOPBACK,
      TIDETALK_UPSTREAM_RETRIES: '0',
      // What is freed is given back, so that what is held can be seen.
      ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=8`,
    },
    mock: true,
  });

  before(async () => {
    context.silent = createServer((socket) => socket.on('error', () => {}).resume());
    context.plain = createServer((socket) => socket.on('error', () => {}).once('data', () => {
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    }));
    for (const server of [context.silent, context.plain]) {
      server.listen(0, '127.0.0.1').unref();
      await once(server, 'listening');
    }
  });
  after(() => [context.silent, context.plain].forEach((server) => server.close()));

  /** Another conversation, with a good upstream, on the same server. */
  const assertServing = async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    assert.equal((await user.say(model, uniqueName('good'), 'ahoy')).response, 'ahoy');
  };

  let calm; // memory before all of it

  test('are those of the table', async () => {
    await assertServing();
    calm = residentMiB(context.server.pid);
    assert.deepEqual(Object.keys(expected).sort(), Object.keys(FAULTS).sort());
    for (const [name, fault] of Object.entries(FAULTS)) {
      for (const when of ['early', 'late']) {
        assert.equal(Boolean(expected[name][when]), Boolean(fault[when]), `${name}: ${when}`);
      }
    }
  });

  const setup = async (fault) => {
    const user = await context.server.user();
    const url = typeof fault === 'string' ? context.mock.url(fault) : await fault(context);
    const deadlines = { connect: 1500, first_byte: 1500, between: 1500, total: 0 };
    if (/pace=/.test(url)) deadlines.total = 1500;
    const model = await user.model(url, { deadlines });
    const session = uniqueName('fault');
    const wish = { session_id: session, model_name: model, message: 'hi' };
    return { user, model, session, wish };
  };

  const assertTold = (text) => assert.doesNotMatch(text, /mock|<html|Location|\{\w+\}/, 'its own words are not told');

  for (const [name, fault] of Object.entries(FAULTS)) {
    if (fault.early) {
      test(`${name} before the first text`, async () => {
        const { status, code } = expected[name].early;
        const { user, session, wish } = await setup(fault.early);
        for (const path of ['/api/chat/message', '/api/chat/message/stream']) {
          const { error } = assertError(await user.post(path, wish), status, code);
          assertTold(error);
        }
        const stored = await user.messages(session);
        assert.deepEqual(stored.map((m) => [m.role, m.content, m.status]), [
          ['user', 'hi', 'complete'], ['assistant', '', 'error'],
          ['user', 'hi', 'complete'], ['assistant', '', 'error'],
        ]);
        await assertServing();
      });
    }
    if (fault.late) {
      test(`${name} after some text`, async () => {
        const { status, code } = expected[name].late;
        const { user, model, session, wish } = await setup(fault.late);
        const stream = await user.stream(model, session, 'hi');
        assert.equal(stream.last.code, code);
        if (code) assertTold(stream.last.error);
        const answer = await user.post('/api/chat/message', wish);
        if (code) assertError(answer, status, code);
        else assert.equal(answer.status, status, answer.text);
        const [, first, , second] = await user.messages(session);
        for (const reply of [first, second]) {
          assert.equal(reply.status, code ? 'error' : 'complete');
          assert.ok(reply.content.startsWith(name === 'endless' ? 'tok0.' : WORDS), 'what was told is kept');
        }
        assert.ok(first.content === stream.text, 'what was told is what is stored');
        if (name === 'endless') assert.ok(first.content.length > 8 * 1024 * 1024 - 2048);
        else assert.equal(first.content, WORDS);
        await assertServing();
      });
    }
  }

  test('leave nothing behind', async () => {
    const floods = ['big_line', 'endless', 'gzip_bomb', 'empty', 'html'];
    for (let round = 0; round < 2; round += 1) {
      await Promise.all(floods.map(async (name) => {
        const { user, wish } = await setup(FAULTS[name].late ?? FAULTS[name].early);
        assert.notEqual((await user.post('/api/chat/message', wish)).status, 200);
      }));
    }
    await assertServing();
    const grown = residentMiB(context.server.pid) - calm;
    assert.ok(grown < 128, `grown by ${grown} MiB`);
  });
});
