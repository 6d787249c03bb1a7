// The benchmark's section for a Redis that freezes: chat at a steady rate, then SIGSTOP on Redis for
// a while, then SIGCONT. Prints latencies before, during and after, failures, how often the breaker
// opened, and the server's memory. Run by redis.sh; TIDETALK_BIN and MOCK_LLM_BIN name the programs.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { statusOf } from '../e2e/support/admin.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { startRedis } from '../e2e/support/redis.mjs';
import { LOOPBACK, startServer } from '../e2e/support/server.mjs';

const RATE = Number(process.env.FREEZE_RATE ?? 200); // requests a second
const PHASES = [
  ['before', Number(process.env.FREEZE_BEFORE_S ?? 10)],
  ['frozen', Number(process.env.FREEZE_S ?? 30)],
  ['after', Number(process.env.FREEZE_AFTER_S ?? 5)],
];
const SESSIONS = 100;

const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];

function memoryOf(pid) {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kib) / 1024;
}

/** Sends at RATE for `seconds`; a request is a message to one of the sessions in turn. */
async function drive(ask, seconds) {
  const times = [];
  let failed = 0;
  const running = [];
  const began = performance.now();
  for (let i = 0; i < RATE * seconds; i++) {
    const wait = began + (i * 1000) / RATE - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const started = performance.now();
    running.push(ask(i % SESSIONS).then((ok) => {
      if (!ok) failed++;
      times.push(performance.now() - started);
    }));
  }
  await Promise.all(running);
  times.sort((a, b) => a - b);
  return { count: times.length, failed, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

const mock = await startMock();
const redis = await startRedis();
const server = await startServer({
  env: { ...LOOPBACK, TIDETALK_REDIS_URL: redis.url, TIDETALK_LOG_LEVEL: 'warn' },
});
try {
  const base = server.url;
  const post = (path, token, body) => fetch(`${base}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const { token } = await (await post('/api/register', null, {
    username: 'freeze', password: 'high-tide',
  })).json();
  await post('/api/user/apis', token, {
    api_name: 'mock', api_key: 'sk-benchmark-key', model_name: 'mock', base_url: mock.url('tokens=8'),
  });
  const ask = async (i) => {
    const answer = await post('/api/chat/message', token, {
      session_id: `freeze-${i}`, model_name: 'mock', message: 'How high is the tide?',
    });
    await answer.arrayBuffer();
    return answer.status === 200;
  };
  console.log(`\nChat at ${RATE}/s while Redis is frozen by SIGSTOP\n`);
  console.log('  phase      requests   failed   p50 ms   p99 ms   memory MiB');
  for (const [name, seconds] of PHASES) {
    if (name === 'frozen') redis.freeze();
    if (name === 'after') redis.thaw();
    const r = await drive(ask, seconds);
    console.log(`  ${name.padEnd(10)} ${String(r.count).padStart(8)} ${String(r.failed).padStart(8)}`
      + ` ${r.p50.toFixed(2).padStart(8)} ${r.p99.toFixed(2).padStart(8)}`
      + ` ${memoryOf(server.pid).toFixed(1).padStart(12)}`);
  }
  const { redis: state } = await statusOf(server);
  console.log(`  breaker opened ${state.opened} time(s), late answers ${state.timeouts}, state ${state.state}`);
} finally {
  redis.thaw();
  await server.stop();
  server.home.remove();
  await redis.kill();
  await mock.stop();
}
