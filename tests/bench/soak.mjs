// Mixed load for a long time, with as much data at its end as at its beginning; then the slopes of memory
// and descriptors, which tell of what is never given back. Started by soak.sh.
import { appendFileSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { uniqueName } from '../e2e/support/client.mjs';
import { pause } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { makeFolder } from '../e2e/support/process.mjs';
import { copyScripts } from '../e2e/support/scripts.mjs';
import { LOOPBACK, startServer, tidetalk } from '../e2e/support/server.mjs';
import { field, file, form, send } from '../e2e/support/upload.mjs';

const minutes = Number(process.argv[2]);
const CLIENTS = 8;
const SAMPLE_MS = 500;
const WINDOW = 60_000 / SAMPLE_MS; // samples of which the least counts: a login takes 16 MiB while it is checked
const RELOAD_MS = 30_000;
// What a long run may grow by in an hour; a short one is too noisy to be judged.
const JUDGED_MINUTES = 30;
const KIB_AN_HOUR = 8 * 1024;
const DESCRIPTORS_AN_HOUR = 8;
// What fills up by design is full soon.
const SMALL = { TIDETALK_CACHE_MEMORY: '1MiB', TIDETALK_SHARED_MEMORY: '1MiB' };

const lua = copyScripts(makeFolder());
const mock = await startMock();
const server = await startServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua, TIDETALK_LOG_LEVEL: 'warn', ...SMALL } });
const began = Date.now();
const end = began + minutes * 60_000;
const counts = {};
const samples = [];
const failures = [];

async function count(name, work) {
  try {
    await work();
    counts[name] = (counts[name] ?? 0) + 1;
  } catch (error) {
    failures.push(`${name}: ${error.message.slice(0, 200)}`);
  }
}

/** One user, whose sessions all end. */
async function live(number) {
  const user = await server.user(`soak-${number}`);
  await user.model(mock.url('tokens=40,size=20'), { model_name: 'm' });
  await user.model(mock.url('status=500'), { model_name: 'broken' });
  while (Date.now() < end) {
    const session = uniqueName('soak');
    await count('chat', () => user.say('m', session, `tide ${'wave '.repeat(100)}`));
    await count('stream', () => user.stream('m', session, 'flow'));
    await count('failure', () => user.post('/api/chat/message', { session_id: session, model_name: 'broken', message: 'x' }));
    await count('gone', async () => {
      const leaving = new AbortController();
      const body = { session_id: uniqueName('left'), model_name: 'm', message: 'and leave' };
      const left = await user.fetch('POST', '/api/chat/message/stream', body, { signal: leaving.signal });
      await left.body.getReader().read();
      leaving.abort();
    });
    await count('upload', () => send(user, form(field('session_id', session), file('a.txt', 'x'.repeat(20_000)))));
    await count('list', () => user.ok('GET', '/api/chat/sessions'));
    await count('search', () => user.ok('GET', '/api/chat/search?q=wave'));
    await count('login', async () => { await (await user.again()).ok('POST', '/api/logout'); });
    await count('delete', () => user.ok('DELETE', `/api/chat/sessions/${session}`));
    for (const { SessionID: left } of (await user.ok('GET', '/api/chat/sessions')).data) {
      await count('delete', () => user.ok('DELETE', `/api/chat/sessions/${left}`));
    }
  }
}

async function reload() {
  while (Date.now() + RELOAD_MS < end) {
    await pause(RELOAD_MS);
    appendFileSync(join(lua, 'app.lua'), `-- ${counts.reload ?? 0}\n`);
    await count('reload', async () => {
      const { code, stderr } = await tidetalk(server.home, ['reload']);
      if (code !== 0) throw new Error(stderr);
    });
  }
}

async function watch() {
  while (Date.now() < end) {
    samples.push({
      hours: (Date.now() - began) / 3_600_000,
      kib: Number(readFileSync(`/proc/${server.pid}/statm`, 'utf8').split(' ')[1]) * 4,
      descriptors: readdirSync(`/proc/${server.pid}/fd`).length,
      database: statSync(join(server.home.dataDir, 'tidetalk.db')).size / 1024,
    });
    await pause(SAMPLE_MS);
  }
}

/** What a member comes down to in each window: what is never given back stays in it. */
function least(member) {
  const points = [];
  for (let at = 0; at + WINDOW <= samples.length; at += WINDOW) {
    points.push(samples.slice(at, at + WINDOW).reduce((a, b) => (a[member] <= b[member] ? a : b)));
  }
  return points.slice(Math.floor(points.length / 3)); // caches and pools have filled by then
}

/** Least squares, per hour. */
function slope(points, member) {
  const mean = (f) => points.reduce((sum, one) => sum + f(one), 0) / points.length;
  const x = mean((one) => one.hours);
  const y = mean((one) => one[member]);
  return mean((one) => (one.hours - x) * (one[member] - y)) / mean((one) => (one.hours - x) ** 2);
}

await Promise.all([...Array.from({ length: CLIENTS }, (_, i) => live(i)), reload(), watch()]);
await server.stop();
server.home.remove();
await mock.stop();

console.log(`${minutes} min, ${CLIENTS} clients: ${Object.entries(counts).map(([name, n]) => `${n} ${name}`).join(', ')}`);
const slopes = {};
for (const [member, size, unit] of [['kib', 1024, 'MiB'], ['descriptors', 1, ''], ['database', 1024, 'MiB']]) {
  const points = least(member);
  if (points.length < 2) continue;
  slopes[member] = slope(points, member);
  const text = (n) => `${(n / size).toFixed(1)} ${unit}`.trim();
  console.log(`${(member === 'kib' ? 'memory' : member).padEnd(12)} ${text(points[0][member])} -> ${text(points.at(-1)[member])}, slope ${text(slopes[member])} an hour`);
}
failures.slice(0, 5).forEach((text) => console.log(text));
if (failures.length > 0) console.log(`${failures.length} failures`);
const grows = minutes >= JUDGED_MINUTES && (slopes.kib > KIB_AN_HOUR || slopes.descriptors > DESCRIPTORS_AN_HOUR);
process.exit(failures.length > 0 || grows ? 1 : 0);
