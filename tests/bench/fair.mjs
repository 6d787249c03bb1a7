// The benchmark's section for fairness. While one user does the worst that the limits allow, another
// user chats, lists sessions, searches and logs in. Rule: the other's p99 is at most ten times that
// of an idle server, or 250 ms, and nobody waits a second. Each attack has a control beside it, in
// which other processes use as much CPU as server, upstream and attacker did; where the control
// already breaks the rule, the machine is too small to judge: "not judged". Run by fair.sh, or by hand:
// fair.mjs [A PART OF AN ATTACK'S NAME].
import { Agent } from 'node:http';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PASSWORD, uniqueName } from '../e2e/support/client.mjs';
import { ask } from '../e2e/support/kept_alive.mjs';
import { pause } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { freePort } from '../e2e/support/process.mjs';
import { LOOPBACK, Server, TIDETALK, makeHome } from '../e2e/support/server.mjs';
import { cpuOf } from './cpu.mjs';
import { ATTACKS } from './fair_attacks.mjs';
import { percentile, sorted } from './numbers.mjs';

const MEASURE_MS = 1500 * Number(process.env.SECONDS_EACH ?? 4);
const WARM_MS = 1000;
const TIMES_IDLE = 10, LEAST_MS = 250, MOST_MS = 1000;
const NAMESERVER = '127.0.0.9';
const OPERATIONS = ['chat', 'list', 'search', 'login'];
const PROGRAM = fileURLToPath(new URL('fair_attacks.mjs', import.meta.url));

/** Names are asked from an address at which nobody answers, if that can be set. */
async function startServer() {
  const home = makeHome({ port: await freePort(), env: { ...LOOPBACK, TIDETALK_LOG_LEVEL: 'error', TIDETALK_LIMITS_SCRIPT_TIME: '200ms' } });
  const names = join(home.folder, 'resolv.conf');
  writeFileSync(names, `nameserver ${NAMESERVER}\noptions timeout:30\n`);
  const mounts = spawnSync('unshare', ['-m', 'true']).status === 0;
  if (mounts) home.command = ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', names, TIDETALK];
  return { mounts, server: await new Server(home, Number(home.env.TIDETALK_LISTEN.split(':')[1])).start() };
}

async function startOther(env, ...args) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((done, failed) => {
    createInterface({ input: child.stdout }).once('line', done);
    child.once('exit', (code) => failed(new Error(`${args[0]} ended: ${code}`)));
  });
  return child;
}

const end = (child) => new Promise((done) => { child.once('exit', done); child.kill('SIGKILL'); });

/** The victim: one operation after the other, in turns on new connections, so on every worker. */
async function measure(server, victim) {
  const times = Object.fromEntries(OPERATIONS.map((name) => [name, []]));
  const headers = { Authorization: `Bearer ${victim.token}`, 'Content-Type': 'application/json' };
  const requests = {
    chat: () => [{ method: 'POST', path: '/api/chat/message' },
      JSON.stringify({ session_id: uniqueName('v'), model_name: victim.model_name, message: 'hi' })],
    list: () => [{ path: '/api/chat/sessions' }],
    search: () => [{ path: '/api/chat/search?q=hi' }],
    login: () => [{ method: 'POST', path: '/api/login' }, JSON.stringify({ username: victim.user.username, password: PASSWORD })],
  };
  const stop = performance.now() + MEASURE_MS;
  while (performance.now() < stop) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: '127.0.0.77' }); // not the attacker's
    for (const name of OPERATIONS) {
      const [options, body] = requests[name]();
      const began = performance.now();
      const answer = await ask(server, agent, { headers, ...options }, body);
      if (answer.status !== 200) times[name].failed = `${answer.status}`;
      times[name].push(performance.now() - began);
    }
    agent.destroy();
  }
  const seen = Object.fromEntries(OPERATIONS.map((name) => {
    const list = sorted(times[name]);
    return [name, { p99: percentile(list, 0.99), max: list.at(-1), failed: times[name].failed }];
  }));
  return { ...seen, rounds: times.chat.length };
}

const keeps = ({ p99, max, failed }, idle) =>
  !failed && p99 <= Math.max(TIMES_IDLE * idle.p99, LEAST_MS) && max < MOST_MS;

function cell(seen, control, idle) {
  const text = `${seen.p99.toFixed(0)} / ${control.p99.toFixed(0)}`;
  if (keeps(seen, idle)) return text;
  if (!keeps(control, idle)) return `${text} not judged`;
  return `${text} ${seen.failed ? `BREAKS: ${seen.failed}` : `BREAKS (max ${seen.max.toFixed(0)})`}`;
}

const line = (name, cells) => console.log(`  ${name.padEnd(52)}${cells.map((text) => text.padStart(24)).join('')}`);

const mock = await startMock();
const victims = await startMock(); // an upstream of its own: the attacker may overload the other
const { mounts, server } = await startServer();
const env = { FAIR_SERVER: server.url, FAIR_MOCK: mock.origin, FAIR_NAMESERVER: NAMESERVER };
let broken = 0;
try {
  const victim = await server.user();
  victim.model_name = await victim.model(victims.url('tokens=8'));
  await measure(server, victim); // caches
  const began = cpuOf([server.pid]);
  const idle = await measure(server, victim);
  const own = (cpuOf([server.pid]) - began) / idle.rounds; // CPU of the victim's round
  console.log('\nWhat one user costs another: p99 in ms, beside a control with the same CPU\n');
  line('', OPERATIONS);
  line('(idle)', OPERATIONS.map((name) => idle[name].p99.toFixed(0)));
  for (const name of Object.keys(ATTACKS).filter((one) => one.includes(process.argv[2] ?? ''))) {
    if (name === '40 silent names' && !mounts) {
      line(name, OPERATIONS.map(() => 'needs root'));
      continue;
    }
    const attack = await startOther(env, name);
    await pause(WARM_MS);
    const pids = [server.pid, mock.pid, attack.pid];
    const before = cpuOf(pids), at = performance.now();
    const seen = await measure(server, victim);
    const used = cpuOf(pids) - before - own * seen.rounds;
    const cores = Math.max(0.01, used / (performance.now() - at) * 1000);
    await end(attack);
    await pause(WARM_MS * 2); // what it has begun ends
    const count = Math.ceil(cores);
    const burners = await Promise.all(Array.from({ length: count }, () => startOther({}, 'burn', String(cores / count))));
    const control = await measure(server, victim);
    await Promise.all(burners.map(end));
    line(`${name} (${cores.toFixed(1)} cores)`, OPERATIONS.map((one) => cell(seen[one], control[one], idle[one])));
    broken += OPERATIONS.filter((one) => !keeps(seen[one], idle[one]) && keeps(control[one], idle[one])).length;
  }
} finally {
  await server.stop();
  server.home.remove();
  await Promise.all([mock.stop(), victims.stop()]);
}
console.log(`\n${broken} cells break the rule`);
