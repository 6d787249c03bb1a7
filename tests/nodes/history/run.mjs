// Makes a history: clients talk to all nodes of a cluster while faults are injected, then everything is healed, each
// session is read once more, and the history is checked.
import { writeFileSync } from 'node:fs';
import { psql } from '../../e2e/support/databases.mjs';
import { eventually } from '../../e2e/support/limits.mjs';
import { startMock } from '../../e2e/support/mock.mjs';
import { nextLogPath } from '../../e2e/support/process.mjs';
import { startCluster } from '../cluster.mjs';
import { seeded } from '../../e2e/support/seeded.mjs';
import { check } from './check.mjs';
import { History, HistoryClient } from './client.mjs';
import { injectFaults } from './faults.mjs';

const USERS = 2;
const CLIENTS = 4; // of a user
const SESSIONS = 3; // of a user in use at a time
const SHOWN = 20;

async function makeUser(cluster, mock, number, seed) {
  const client = await cluster.nodes[0].user();
  const user = { client, models: [], sessions: [], all: [] };
  for (const scenario of ['echo=1', 'echo=1,size=8,pace=5', 'echo=1,size=4,pace=25']) user.models.push(await client.model(mock.url(scenario)));
  user.newSession = () => {
    user.all.push(`history-${seed}-${number}-${user.all.length}`);
    return user.all.at(-1);
  };
  user.sessions = Array.from({ length: SESSIONS }, user.newSession);
  return user;
}

/** Waits until nothing runs; then what the database must not have any more. */
async function atRest(cluster) {
  for (const node of cluster.nodes) {
    await eventually(async () => (await fetch(`${node.url}/readyz`).catch(() => null))?.status === 200, 'every node is ready');
  }
  const { name } = cluster.nodes[0].home.database;
  await eventually(() => psql(name, `SELECT (SELECT count(*) FROM chat_messages WHERE status = 'streaming')
    + (SELECT count(*) FROM chat_sessions WHERE turn_node IS NOT NULL)`) === '0', 'no turn runs');
  const chunks = psql(name, 'SELECT count(*) FROM reply_chunks');
  return chunks === '0' ? [] : [{ kind: 'left behind', detail: `${chunks} chunks` }];
}

/** The history as a file, for who looks into an anomaly. */
function keep(history, anomalies) {
  const path = nextLogPath().replace(/log$/, 'jsonl');
  writeFileSync(path, [...anomalies, ...history.operations].map((one) => JSON.stringify(one)).join('\n'));
  return path;
}

/** {anomalies, unexpected, operations, acknowledged, faults, codes, path?} */
export async function runHistory({ seed, ms, nodes = 2, atOnce = 1, say }) {
  const mock = await startMock();
  const cluster = await startCluster(nodes, { network: true, env: { TIDETALK_DRAIN: '100ms' } });
  const history = new History();
  const chance = seeded(seed);
  const users = [];
  for (let i = 0; i < USERS; i += 1) users.push(await makeUser(cluster, mock, i, seed));
  const clients = users.flatMap((user, u) => Array.from({ length: CLIENTS }, (_, i) =>
    new HistoryClient(`${'abcdefgh'[u * CLIENTS + i]}`, user, cluster.nodes, history, chance.fork(u * CLIENTS + i))));

  const ends = Date.now() + ms;
  const isOver = () => Date.now() > ends;
  const [faults] = await Promise.all([
    injectFaults(cluster, chance.fork(100), isOver, { atOnce, say }), ...clients.map((client) => client.run(isOver)),
  ]);
  const left = await atRest(cluster);
  for (const [u, user] of users.entries()) {
    const reader = clients[u * CLIENTS];
    for (const session of user.all) await eventually(() => reader.read(session, true), 'a session is read');
  }
  await cluster.stop();
  await mock.stop();

  const anomalies = [...left, ...check(history.operations)];
  const failed = anomalies.length + history.unexpected.length > 0;
  const count = (test) => history.operations.filter(test).length;
  return {
    anomalies: anomalies.slice(0, SHOWN),
    unexpected: history.unexpected.slice(0, SHOWN),
    appends: Object.fromEntries(['ok', 'begun', 'refused', 'unknown'].map((outcome) => [outcome, count((one) => one.outcome === outcome)])),
    reads: count((one) => one.rows),
    sessions: users.reduce((sum, user) => sum + user.all.length, 0),
    faults,
    codes: history.codes,
    path: failed ? keep(history, [...anomalies, ...history.unexpected]) : undefined,
  };
}
