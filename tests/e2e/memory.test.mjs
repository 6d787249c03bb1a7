// covers: base, script, http
// Every so many allocations of 16 KiB and more fail, in the whole process: each answer is right or says
// that there is no memory, and the server lives.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { join } from 'node:path';
import { uniqueName } from './support/client.mjs';
import { FailingMalloc } from './support/failing_malloc.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { freePort } from './support/process.mjs';
import { LOOPBACK, Server, makeHome, tidetalk } from './support/server.mjs';
import { field, file, form, send } from './support/upload.mjs';

const SEED = Number(process.env.TT_MEMORY_SEED ?? randomInt(1, 2 ** 31));
const ROUNDS = 2;
const WORDS = 'memory tide reply answer '.repeat(4000);

/** Mulberry32: numbers from 0 to 1 that the seed repeats. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffle(list, random) {
  for (let i = list.length - 1; i > 0; i -= 1) {
    const other = Math.floor(random() * (i + 1));
    [list[i], list[other]] = [list[other], list[i]];
  }
  return list;
}

describe('without memory for what is large', () => {
  let memory, mock, server, user, requests;
  const quiet = {};

  /** Those that the routes themselves suggest, and those that need much memory. */
  async function listRequests(model, session, files) {
    const { stdout } = await tidetalk({ ...server.home, env: { ...server.home.env, LD_PRELOAD: '' } }, ['routes']);
    const list = {};
    for (const line of stdout.trim().split('\n')) {
      const [method, route, , listener] = line.split(/ +/);
      if (listener !== 'public' || route === '/api/logout') continue;
      const path = route.replace(':session_id', method === 'GET' ? session : 'none').replace(/:\w+/, '1000');
      list[`${method} ${route}`] = () => user.request(method, path, method === 'GET' ? undefined : { x: WORDS });
    }
    const say = (model_name, session_id = uniqueName('memory')) => ({ session_id, model_name, message: WORDS });
    const messages = [{ role: 'user', content: WORDS }];
    return Object.assign(list, {
      message: () => user.post('/api/chat/message', say(model)),
      'message after others': () => user.post('/api/chat/message', say(model, session)),
      stream: () => user.post('/api/chat/message/stream', say(model)),
      completion: () => user.post('/v1/chat/completions', { model, messages }),
      chunks: () => user.post('/v1/chat/completions', { model, messages, stream: true }),
      embeddings: () => user.post('/v1/embeddings', { model, input: WORDS }),
      search: () => user.get('/api/chat/search?q=memory'),
      export: () => user.get(`/api/chat/sessions/${session}/export?format=json`),
      upload: () => send(user, form(field('session_id', files), file('a.txt', WORDS))),
      'broken JSON': () => user.post('/api/chat/message', `{"a":${'['.repeat(20000)}`),
    });
  }

  before(async () => {
    const home = makeHome({ port: await freePort(), env: LOOPBACK });
    memory = new FailingMalloc(join(home.folder, 'memory'));
    Object.assign(home.env, memory.env);
    mock = await startMock();
    server = await new Server(home, Number(home.env.TIDETALK_LISTEN.split(':')[1])).start();
    user = await server.user();
    const model = await user.model(mock.url('tokens=2000,size=40'));
    const session = uniqueName('memory');
    await user.say(model, session, WORDS);
    const files = (await user.ok('POST', '/api/chat/session', { model_name: 'demo' })).session_id;
    requests = await listRequests(model, session, files);
    for (const [name, request] of Object.entries(requests)) quiet[name] = (await request()).status;
  }, { timeout: HANG_MS });

  after(async () => {
    memory.fail(0);
    await server.stop();
    memory.close();
    server.home.remove();
    await mock.stop();
  }, { timeout: HANG_MS });

  /** The code of an error, also of a stream's last frame. */
  const codeOf = ({ body, text }) => body?.code ?? body?.error?.code ?? text.match(/"code":"(\w+)"/)?.[1];

  /** What is wrong with an answer; undefined: nothing. A connection that gets no memory is closed, and an
   * answer that has begun is cut off. */
  async function fault(name) {
    const answer = await requests[name]().catch((error) => error);
    if (answer instanceof Error) return answer.cause?.code ? undefined : String(answer);
    const code = codeOf(answer);
    const says = ['no_memory', 'busy'].includes(code) && [503, 200].includes(answer.status);
    return says || answer.status === quiet[name] ? undefined : `${name}: ${answer.status} ${answer.text.slice(0, 300)}`;
  }

  for (let n = 8; n >= 2; n -= 1) {
    test(`one of ${n} fails`, async (t) => {
      const random = numbers(SEED + n);
      const failed = memory.failed;
      t.diagnostic(`TT_MEMORY_SEED=${SEED}`);
      memory.fail(n);
      for (let round = 0; round < ROUNDS; round += 1) {
        const faults = await Promise.all(shuffle(Object.keys(requests), random).map(fault));
        assert.deepEqual(faults.filter(Boolean), []);
      }
      memory.fail(0);
      assert.ok(memory.failed - failed > 10, `${memory.failed - failed} failed`);
      for (const [name, request] of Object.entries(requests)) {
        const answer = await request();
        assert.equal(answer.status, quiet[name], `${name} afterwards: ${answer.text.slice(0, 300)}`);
      }
    });
  }
});
