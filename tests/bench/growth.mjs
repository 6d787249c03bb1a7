// The benchmark's section for growth: what routes take by the number of rows that they are about, from
// 10 to 100,000 (GROWTH_MAX: 1,000,000, say). One client, one request at a time, medians in ms. Fails
// when a route grows faster than the logarithm of the data plus its answer: ratios of one run, so the
// machine's speed does not matter. Run by growth.sh; TIDETALK_BIN and MOCK_LLM_BIN name the programs.
import { performance } from 'node:perf_hooks';
import { files, messages, sessions, users, writeSql } from '../e2e/support/grown.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { LOOPBACK, startServer } from '../e2e/support/server.mjs';
import { newSession } from '../e2e/support/upload.mjs';
import { percentile, sorted } from './numbers.mjs';

const MAX = Number(process.env.GROWTH_MAX ?? 100_000);
const TIMES = Number(process.env.GROWTH_TIMES ?? 25); // of each route
const AT_ONCE = 100_000; // rows a statement
const FILES_MAX = 10_000;
const SLACK = 3; // for noise, on top of what a route may grow

const sizes = [];
for (let size = 10; size <= MAX; size *= 10) sizes.push(size);

const mock = await startMock();
const server = await startServer({
  env: { ...LOOPBACK, TIDETALK_LOG_LEVEL: 'error', TIDETALK_LIMITS_USER_FILES: String(1 << 30) },
});

/** Writes rows in statements of bounded size; `rows` makes the statements for a range. */
async function fill(count, rows, from = 1) {
  for (let at = from; at <= count; at += AT_ONCE) {
    await writeSql(server.home, ...rows(at, Math.min(count, at + AT_ONCE - 1)));
  }
}

const results = new Map(); // route -> [{size, ms, bytes}]
const note = (route, size, ms, bytes) =>
  results.set(route, [...(results.get(route) ?? []), { size, ms, bytes }]);

async function measure(route, size, ask, times = TIMES) {
  const took = [];
  let bytes = 0;
  const calm = times >= TIMES ? 5 : 0; // until caches and connections are warm
  for (let i = -calm; i < times; i += 1) {
    const begin = performance.now();
    const answer = await ask(); // {status, text}
    if (i >= 0) took.push(performance.now() - begin);
    if (answer.status !== 200) throw new Error(`${route} at ${size}: ${answer.status} ${answer.text.slice(0, 300)}`);
    bytes = answer.text.length;
  }
  note(route, size, percentile(sorted(took), 0.5), bytes);
}

/** The longest turn of somebody else while `work` runs and until what it leaves is gone. */
async function worstTurn(user, model, work) {
  let over = false;
  let worst = 0;
  const turns = (async () => {
    for (let i = 0; !over; i += 1) {
      const begin = performance.now();
      await user.say(model, `neighbour-${performance.now()}`.replace('.', '-'), 'hi');
      worst = Math.max(worst, performance.now() - begin);
    }
  })();
  await work();
  over = true;
  await turns;
  return worst;
}

const neighbour = await server.user();
const calmModel = await neighbour.model(mock.url('tokens=8'));
let usersMade = 1000;

async function measureSize(size) {
  const user = await server.user();
  const { id } = user.user;
  const model = await user.model(mock.url('tokens=8'));
  const [talk, shelf] = [await newSession(user), await newSession(user)];
  await server.stop();
  await fill(size, (from, to) => sessions(id, from, to));
  await fill(size, (from, to) => messages(id, talk, 10 * (id + 1) * 10 * MAX, from, to));
  if (size <= FILES_MAX) await writeSql(server.home, ...files(id, shelf, `${id}-`, size));
  if (size > usersMade) await fill(size, users, usersMade + 1);
  usersMade = Math.max(usersMade, size);
  await server.start();
  await user.get('/api/chat/search?q=nothing'); // waits until all its messages are in the index

  const list = (page) => () => user.get(`/api/chat/sessions?page=${page}`);
  const pages = Math.ceil(size / 20);
  await measure('users: me', size, () => user.get('/api/me'));
  await measure('sessions: first page', size, list(1));
  await measure('sessions: last page', size, list(pages));
  await measure('sessions: the middle (not checked)', size, list(Math.ceil(pages / 2)));
  await measure('messages: newest page', size, () => user.get(`/api/chat/sessions/${talk}/messages`));
  await measure('messages: a turn', size, () => user.post('/api/chat/message',
    { session_id: talk, model_name: model, message: 'hi' }));
  await measure('search: a rare word', size, () => user.get(`/api/chat/search?q=${size}`));
  await measure('messages: export as JSON', size, () => user.get(`/api/chat/sessions/${talk}/export`), 3);
  await measure('messages: export as Markdown', size, () => user.get(`/api/chat/sessions/${talk}/export?format=md`), 3);
  if (size <= FILES_MAX) {
    await measure('files: first page', size, () => user.get(`/api/files/session/${shelf}?page=1`));
    await measure('files: all', size, () => user.get(`/api/files/session/${shelf}`), 3);
  }
  const worst = await worstTurn(neighbour, calmModel, async () => {
    await measure('messages: delete their session', size, () => user.delete(`/api/chat/sessions/${talk}`), 1);
    const until = performance.now() + 2000;
    while (performance.now() < until) await user.get('/api/me');
  });
  note("messages: somebody's worst turn meanwhile", size, worst, 0);
}

/** How much more time than at the first size a route may take: the logarithm of the data, and what its
 * answer has grown by. */
const allowed = (first, now) =>
  SLACK * Math.max(1, Math.log10(now.size) / Math.log10(first.size)) * Math.max(1, now.bytes / Math.max(1, first.bytes));

let failed = false;
try {
  for (const size of sizes) await measureSize(size);
  const width = Math.max(...[...results.keys()].map((name) => name.length));
  process.stdout.write(`\nGrowth: ms by rows, median of ${TIMES}\n  ${''.padEnd(width)}`
    + `${sizes.map((size) => String(size).padStart(11)).join('')}\n`);
  for (const [route, list] of results) {
    process.stdout.write(`  ${route.padEnd(width)}${list.map(({ ms }) => ms.toFixed(2).padStart(11)).join('')}\n`);
    if (route.includes('not checked')) continue;
    for (const now of list.slice(1)) {
      const ratio = now.ms / list[0].ms;
      if (ratio <= allowed(list[0], now)) continue;
      failed = true;
      process.stdout.write(`  ^ grows too fast: ${ratio.toFixed(1)} times as long at ${now.size} rows, `
        + `${allowed(list[0], now).toFixed(1)} are allowed\n`);
    }
  }
} finally {
  await server.stop();
  server.home.remove();
  await mock.stop();
}
process.exitCode = failed ? 1 : 0;
