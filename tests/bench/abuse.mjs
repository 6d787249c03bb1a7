// The benchmark's section for broken scripts: each body of the tests' list is asked for again and again
// on one worker, one request at a time, while another connection asks the other worker for a small
// route. Prints how long it takes until the clear 500, and what the other route notices; client and
// server share the machine. Run by abuse.sh; TIDETALK_BIN names the program.
import { Agent } from 'node:http';
import { performance } from 'node:perf_hooks';
import { ABUSES, abuseRoutes } from '../e2e/support/abuses.mjs';
import { Bundle, appScript } from '../e2e/support/bundle.mjs';
import { ask } from '../e2e/support/kept_alive.mjs';
import { removeFolder } from '../e2e/support/process.mjs';
import { startServer } from '../e2e/support/server.mjs';
import { percentile, sorted } from './numbers.mjs';

const TIMES = 20; // of each body
const EACH_MS = 1200; // no further one after that: all of them end within a minute
const CALM_MS = 2000;

// Each worker has a state of its own, and so a table of its own at another address.
const WORKER = `
  { method = "GET", path = "/worker", auth = "none", handler = function()
    return { json = { worker = tostring(helper) } }
  end },`;

const bundle = new Bundle({ 'app.lua': appScript({ routes: WORKER + abuseRoutes() }) });
const server = await startServer({ env: { ...bundle.env, TIDETALK_WORKERS: '2', TIDETALK_LOG_LEVEL: 'error' } });
const get = (agent, path) => ask(server, agent, { path });
const workerOf = async (agent) => JSON.parse((await get(agent, '/worker')).text).worker;

/** An agent whose one connection went to a worker that `accept` takes. */
async function connect(accept) {
  for (;;) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    if (accept(await workerOf(agent))) return agent;
    agent.destroy();
  }
}

/** The other route's times in ms, for as long as `work` takes, and no less than one. */
async function timesDuring(agent, work) {
  const times = [];
  let over = false;
  const ended = work.finally(() => { over = true; });
  ended.catch(() => {}); // told below
  while (!over) {
    const began = performance.now();
    const answer = await get(agent, '/version');
    if (answer.status !== 200) throw new Error(answer.text);
    times.push(performance.now() - began);
  }
  await ended;
  return sorted(times);
}

/** The times until its 500. The connection may be closed after one; the next is on the same worker. */
async function abuse(path, code, worker) {
  const times = [];
  const end = performance.now() + EACH_MS;
  while (times.length < TIMES && performance.now() < end) {
    const agent = await connect((one) => one === worker);
    const began = performance.now();
    const answer = await get(agent, path);
    times.push(performance.now() - began);
    agent.destroy();
    if (answer.status !== 500 || !JSON.parse(answer.text).code.match(code)) throw new Error(`${path}: ${answer.text}`);
  }
  return sorted(times);
}

const number = (value) => value.toFixed(1).padStart(8);

try {
  let broken;
  (await connect((worker) => { broken = worker; return true; })).destroy();
  const calm = await connect((worker) => worker !== broken);
  console.log('\nBroken scripts on one worker, a small route on the other\n');
  console.log('                              times   p50 ms   max ms   the other route: p99 ms   max ms');
  const alone = await timesDuring(calm, new Promise((done) => { setTimeout(done, CALM_MS); }));
  console.log(`  ${'(nothing)'.padEnd(26)} ${'-'.padStart(6)} ${'-'.padStart(8)} ${'-'.padStart(8)}`
    + `                 ${number(percentile(alone, 0.99))} ${number(alone.at(-1))}`);
  for (const [i, [name, [, code]]] of Object.entries(ABUSES).entries()) {
    const abused = abuse(`/abuse/${i}`, code, broken);
    const others = await timesDuring(calm, abused);
    const times = await abused;
    console.log(`  ${name.padEnd(26)} ${String(times.length).padStart(6)} ${number(percentile(times, 0.5))}`
      + ` ${number(times.at(-1))}                 ${number(percentile(others, 0.99))} ${number(others.at(-1))}`);
  }
  calm.destroy();
} finally {
  await server.stop();
  server.home.remove();
  removeFolder(bundle.folder);
}
