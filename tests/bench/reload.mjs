// The benchmark's section for reloads: the shipped scripts are changed and reloaded all the time while
// a page's request (token check, two queries, JSON) comes at a steady rate. Then the same with twenty
// plugins, of which all change each time and one has a new migration. Prints how long a reload takes,
// how long a worker's loop was busy with it, and the requests' latencies without and with reloads;
// client and server share the machine. Run by reload.sh; TIDETALK_BIN names the program.
import { rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { admin } from '../e2e/support/admin.mjs';
import { NAMES, changeMany, putMany, putMigration } from '../e2e/support/many_plugins.mjs';
import { makeFolder } from '../e2e/support/process.mjs';
import { copyScripts, writeScript } from '../e2e/support/scripts.mjs';
import { startServer } from '../e2e/support/server.mjs';
import { percentile, sorted } from './numbers.mjs';

const RATE = Number(process.env.RELOAD_RATE ?? 500); // requests a second
const SECONDS = Number(process.env.RELOAD_SECONDS ?? 10);
const PAUSE_MS = 100; // between two reloads, with the 50 ms that files must have settled for

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const folder = makeFolder();
const lua = copyScripts(folder);
const server = await startServer({ env: { TIDETALK_LUA_DIR: lua, TIDETALK_LOG_LEVEL: 'warn' } });
const client = await server.user();
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

function ask() {
  return new Promise((done) => {
    const began = performance.now();
    request({
      host: '127.0.0.1', port: server.port, path: '/api/chat/sessions', agent,
      headers: { Authorization: `Bearer ${client.token}` },
    }, (response) => {
      response.resume();
      response.on('end', () => done({ ms: performance.now() - began, ok: response.statusCode === 200 }));
    }).on('error', () => done({ ms: performance.now() - began, ok: false })).end();
  });
}

async function drive() {
  const running = [];
  const began = performance.now();
  for (let i = 0; i < RATE * SECONDS; i++) {
    const wait = began + (i * 1000) / RATE - performance.now();
    if (wait > 0) await pause(wait);
    running.push(ask());
  }
  return Promise.all(running);
}

/** Changes files and reloads until it is told to stop. */
function keepReloading(change) {
  const loop = { over: false, answers: [] };
  loop.done = (async () => {
    for (let n = 1; !loop.over; n++) {
      change(n);
      await pause(PAUSE_MS);
      const answer = await admin(server, 'POST', '/admin/reload');
      if (answer.status !== 200) throw new Error(answer.text);
      loop.answers.push(answer.body);
    }
  })();
  return loop;
}

function row(name, answers) {
  const times = sorted(answers.map((answer) => answer.ms));
  const failed = answers.filter((answer) => !answer.ok).length;
  const [p50, p99, p999] = [0.5, 0.99, 0.999].map((p) => percentile(times, p).toFixed(2).padStart(8));
  console.log(`  ${name.padEnd(18)} ${String(times.length).padStart(8)} ${String(failed).padStart(8)}`
    + ` ${p50} ${p99} ${p999} ${times.at(-1).toFixed(2).padStart(8)}`);
}

async function measure(title, change) {
  await drive(); // warm
  console.log(`\n${title}, session list at ${RATE}/s\n`);
  console.log('                     requests   failed   p50 ms   p99 ms p99.9 ms   max ms');
  row('without reloads', await drive());
  const loop = keepReloading(change);
  row('with reloads', await drive());
  loop.over = true;
  await loop.done;
  const took = sorted(loop.answers.map((answer) => answer.duration_ms));
  const stalls = sorted(loop.answers.map((answer) => answer.stall_us));
  console.log(`\n  reloads: ${took.length}, took ms p50 ${percentile(took, 0.5)}, p99 ${percentile(took, 0.99)},`
    + ` max ${took.at(-1)}`);
  console.log(`  busy loop for it, us: p50 ${percentile(stalls, 0.5)}, p99.9 ${percentile(stalls, 0.999)},`
    + ` max ${stalls.at(-1)}`);
}

try {
  await measure('Reloads of the shipped scripts', (n) => writeScript(lua, 'lib/marker.lua', `return ${n}\n`));
  putMany(server, 0);
  await admin(server, 'POST', '/admin/reload');
  await measure(`Reloads with ${NAMES.length} plugins, a migration each time`, (n) => {
    changeMany(server, n);
    putMigration(server, NAMES[0], n + 1);
  });
} finally {
  agent.destroy();
  await server.stop();
  server.home.remove();
  rmSync(folder, { recursive: true, force: true });
}
