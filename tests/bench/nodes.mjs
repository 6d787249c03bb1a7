// The benchmark's section for several servers on one PostgreSQL: durable turns with SQLite, with one
// server and with one, two and three nodes; what passing a turn or a stream on to another node adds; and
// how long a session waits when the node that owns it is killed. Prints tables in Markdown. Run by
// nodes.sh. ROUNDS, SECONDS_EACH and MOCK, the upstream's address, come from there.
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { uniqueName } from '../e2e/support/client.mjs';
import { psql } from '../e2e/support/databases.mjs';
import { freePort } from '../e2e/support/process.mjs';
import { pause } from '../e2e/support/limits.mjs';
import { LOOPBACK, Server, makeHome } from '../e2e/support/server.mjs';
import { drain, settled, startCluster } from '../nodes/cluster.mjs';
import { counted } from '../nodes/metrics.mjs';
import { cpuOf, cpuOfFamily } from './cpu.mjs';
import { measureFailures } from './nodes_failures.mjs';
import { median, output, table, upstream } from './nodes_parts.mjs';
import { measureViewers } from './nodes_viewers.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const SECONDS = Number(process.env.SECONDS_EACH ?? 4);
const POSTGRES = Number(process.env.TEST_POSTGRES_PID);
const CONNECTIONS = 60; // a multiple of the threads, one for each node
const USERS = 8;
const IDLE_MS = 3000;
const LUA = fileURLToPath(new URL('wrk/nodes.lua', import.meta.url));
const ENV = {
  ...LOOPBACK, TIDETALK_LOG_LEVEL: 'warn', TIDETALK_LIMITS_USER_REPLIES: '0', TIDETALK_NODES_LEASE: '5s',
};

// ---- servers ----

async function startAlone(sqlite) {
  const home = makeHome({ port: await freePort(), env: ENV });
  if (sqlite) delete home.env.TIDETALK_DATABASE_URL;
  const server = await new Server(home, Number(home.env.TIDETALK_LISTEN.split(':')[1])).start();
  return { nodes: [server], async stop() { await server.stop(); home.remove(); } };
}

/** Users of the servers, their tokens in a file. */
async function addUsers(cluster) {
  cluster.users = [];
  for (let i = 0; i < USERS; i += 1) {
    const user = await cluster.nodes[0].user();
    await user.model(upstream('tokens=8'), { model_name: 'words' });
    cluster.users.push(user);
  }
  cluster.tokens = join(cluster.nodes[0].home.folder, 'tokens.txt');
  writeFileSync(cluster.tokens, cluster.users.map((user) => `${user.token}\n`).join(''));
  return cluster;
}

// ---- load ----

/** What a turn leaves for later (the index of the search) belongs to it: waits until all is done. */
async function quiet(cpu) {
  for (let tries = 0; tries < 40; tries += 1) {
    const before = cpu();
    await pause(250);
    if (cpu() - before <= 0.03) return;
  }
}

/** CPU seconds per second of servers that have nothing to do: with what counts as a turn's in the time until
 * all is quiet, it would be more with each node. */
const idle = { postgres: 0 };
async function measureIdle(clusters) {
  const all = Object.values(clusters);
  const cpu = () => [cpuOfFamily(POSTGRES), ...all.map(({ nodes }) => cpuOf(nodes.map((node) => node.pid)))];
  const before = cpu();
  await pause(IDLE_MS);
  const [postgres, ...servers] = cpu().map((used, i) => (used - before[i]) * 1000 / IDLE_MS);
  idle.postgres = postgres;
  all.forEach((cluster, i) => { cluster.idle = servers[i] / cluster.nodes.length; });
}

const sum = async (nodes, name) =>
  (await Promise.all(nodes.map((node) => counted(node, name)))).reduce((a, b) => a + b, 0);

/** Turns at `nodes` for SECONDS; `mode` as in wrk/nodes.lua. */
async function load(cluster, { nodes = cluster.nodes, mode = 'any' } = {}) {
  const of = cluster.nodes.map((node) => node.pid);
  const both = () => cpuOf(of) + cpuOfFamily(POSTGRES);
  const shared = cluster.nodes.length > 1;
  await quiet(both);
  const before = { nodes: cpuOf(of), asked: cpuOf([nodes[0].pid]), postgres: cpuOfFamily(POSTGRES) };
  const began = performance.now();
  const relayed = shared && await sum(cluster.nodes, 'relayed_requests_total');
  const text = await output('wrk', [
    `-t${Math.max(2, nodes.length)}`, `-c${CONNECTIONS}`, `-d${SECONDS}s`, '--timeout', '10s', '-s', LUA, `${nodes[0].url}/api/chat/message`, '--',
    cluster.tokens, 'words', uniqueName('s'), mode,
  ], { WRK_ADDRESSES: nodes.map((node) => node.url.replace('http://', '')).join() });
  const [, requests, failed, seconds, p50, p99] = text.match(/^RESULT (\S+) (\S+) (\S+) (\S+) (\S+)$/m).map(Number);
  if (failed > 0) throw new Error(`${failed} of ${requests} turns failed`);
  await quiet(both);
  const us = (from, to, rest) => (to - from - rest * (performance.now() - began) / 1000) * 1e6 / requests;
  return {
    rate: requests / seconds,
    p50: p50 / 1000,
    p99: p99 / 1000,
    cpu: us(before.nodes, cpuOf(of), cluster.idle * of.length),
    asked: us(before.asked, cpuOf([nodes[0].pid]), cluster.idle),
    postgres: us(before.postgres, cpuOfFamily(POSTGRES), idle.postgres),
    relayed: shared ? 100 * (await sum(cluster.nodes, 'relayed_requests_total') - relayed) / requests : 0,
  };
}

// ---- tables ----

const middle = (kept, name) => median(kept.map((one) => one[name]));

function turnsTable(kept) {
  table([`**nodes**: turns, ${CONNECTIONS} connections`, 'turns per second', 'p50 ms', 'p99 ms', 'CPU us per turn',
    'of PostgreSQL, us', 'together', 'passed on, %'],
  Object.entries(kept).map(([name, runs]) => [name,
    ...['rate', 'p50', 'p99', 'cpu', 'postgres'].map((value) => middle(runs, value)),
    median(runs.map((run) => run.cpu + run.postgres)), middle(runs, 'relayed')]));
  const ratios = (name, value) => kept[name].map((run, i) => value(run) / value(kept['one node'][i]));
  for (const name of ['two nodes, any', 'two nodes, own', 'three nodes, any']) {
    const [nodes, all] = [(run) => run.cpu, (run) => run.cpu + run.postgres].map((value) => median(ratios(name, value)));
    console.log(`\nCPU per turn, ${name} / one node: ${nodes.toFixed(2)}, with PostgreSQL ${all.toFixed(2)}`);
  }
}

// ---- the section ----

async function measureTurns(clusters) {
  const ways = {
    SQLite: () => load(clusters.sqlite),
    'PostgreSQL, no nodes': () => load(clusters.alone),
    'one node': () => load(clusters.one),
    'two nodes, any': () => load(clusters.two),
    'two nodes, own': () => load(clusters.two, { mode: 'own' }),
    'three nodes, any': () => load(clusters.three),
    'three nodes, own': () => load(clusters.three, { mode: 'own' }),
  };
  const kept = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, measure] of Object.entries(ways)) kept[name].push(await measure());
  }
  return kept;
}

/** Every turn through a node that takes none: what passing it on costs. */
async function measurePassedOn({ two }) {
  const [first, second] = two.nodes;
  const rounds = { direct: [], passed: [] };
  await drain(first);
  await settled(two);
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.direct.push(await load(two, { nodes: [second] }));
    rounds.passed.push(await load(two, { nodes: [first] }));
  }
  table(['**nodes**: every turn passed on', 'to the owner', 'through the other', 'added'],
    [...[['turns per second', 'rate'], ['p50 ms', 'p50'], ['CPU us per turn, both nodes', 'cpu']]
      .map(([label, name]) => [label, middle(rounds.direct, name), middle(rounds.passed, name),
        middle(rounds.passed, name) - middle(rounds.direct, name)]),
    ['of it the node that passes on', '', middle(rounds.passed, 'asked'), '']]);
}

async function main() {
  const started = {
    sqlite: startAlone(true), alone: startAlone(false), one: startCluster(1, { env: ENV }),
    two: startCluster(2, { env: ENV }), three: startCluster(3, { env: ENV }),
  };
  const clusters = {};
  for (const [name, cluster] of Object.entries(started)) clusters[name] = await addUsers(await cluster);
  try {
    for (const name of ['sqlite', 'alone', 'one', 'two', 'three']) {
      clusters[name].idle = 0;
      await load(clusters[name]); // caches
      const { database } = clusters[name].nodes[0].home;
      if (name !== 'sqlite') psql(database.name, 'ANALYZE'); // plans for tables that are no longer empty
    }
    await measureIdle(clusters);
    turnsTable(await measureTurns(clusters));
    await measureViewers(clusters.two, { rounds: Math.min(2, ROUNDS), quick: SECONDS < 4 });
    await measureFailures(clusters.three, ROUNDS);
    await measurePassedOn(clusters);
    console.log(`\nload of the machine at the end: ${loadavg()[0].toFixed(1)}`);
  } finally {
    for (const cluster of Object.values(clusters)) await cluster.stop();
  }
}

await main();
