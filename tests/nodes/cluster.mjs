// Several servers on one database: each has its own port, data folder and log; the secret and the folder
// of uploaded files are everybody's.
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { psql } from '../e2e/support/databases.mjs';
import { eventually } from '../e2e/support/limits.mjs';
import { freePort } from '../e2e/support/process.mjs';
import { LOOPBACK, Server, makeHome, tidetalk } from '../e2e/support/server.mjs';
import { startProxy } from './proxy.mjs';

/** The lease of the nodes of a test, in milliseconds. */
export const LEASE_MS = 1500;

/** Puts a proxy between a node and the database, and one in front of its private listener: home.network
 * has them as `database` and `others`. */
async function addNetwork(home, privatePort) {
  const url = new URL(home.env.TIDETALK_DATABASE_URL);
  home.network = { database: await startProxy(Number(url.port)), others: await startProxy(privatePort) };
  url.port = home.network.database.port;
  home.env.TIDETALK_DATABASE_URL = url.href;
  home.env.TIDETALK_NODES_ADDRESS = `127.0.0.1:${home.network.others.port}`;
}

/** A home for one more node beside `first`, which has been started once: with its database, secret and
 * files. Without `first` the first one. `network`: through proxies, see addNetwork. */
export async function makeNode(first, { name = 'a', env = {}, secret = true, files = true, network = false } = {}) {
  const port = await freePort();
  const privatePort = await freePort();
  const home = makeHome({
    port,
    shared: first && { ...first.database, remove() {} },
    env: {
      ...LOOPBACK,
      TIDETALK_NODES_LISTEN: `127.0.0.1:${privatePort}`,
      TIDETALK_NODES_NAME: name,
      TIDETALK_NODES_LEASE: `${LEASE_MS}ms`,
      ...env,
    },
  });
  home.port = port;
  if (network) await addNetwork(home, privatePort);
  if (!first) return home;
  mkdirSync(home.dataDir, { mode: 0o700 });
  if (secret) copyFileSync(join(first.dataDir, 'secret.key'), join(home.dataDir, 'secret.key'));
  if (files) symlinkSync(join(first.dataDir, 'files'), join(home.dataDir, 'files'));
  return home;
}

/** {nodes, stop, remove}: `count` servers, named a, b, c; `prepare` changes the home of each. */
export async function startCluster(count, { prepare = () => {}, ...options } = {}) {
  const nodes = [];
  for (let i = 0; i < count; i += 1) {
    const home = await makeNode(nodes[0]?.home, { ...options, name: 'abcdef'[i] });
    prepare(home);
    nodes.push(await new Server(home, home.port).start());
  }
  return {
    nodes,
    /** Ends those that still run, and removes everything. */
    async stop({ except = [] } = {}) {
      for (const node of [...nodes].reverse()) if (!except.includes(node)) await node.stop();
      for (const { home } of nodes) for (const proxy of Object.values(home.network ?? {})) await proxy.stop();
      for (const node of [...nodes].reverse()) node.home.remove();
    },
  };
}

/** What /admin/nodes says, by name. */
export async function listNodes(node) {
  const { stdout } = await tidetalk(node.home, ['nodes']);
  const [head, ...lines] = stdout.trim().split('\n').map((line) => line.trim().split(/\s+/));
  return Object.fromEntries(lines.map((line) => {
    const row = Object.fromEntries(head.map((title, i) => [title, line[i]]));
    return [row.name, row];
  }));
}

/** The same user at another node. */
export function through(node, user) {
  return Object.assign(node.client(), { token: user.token, user: user.user, password: user.password });
}

/** Runs `tidetalk drain`, which ends when nothing runs on the node any more. */
export const drain = (node) => tidetalk(node.home, ['drain']);

/** Waits until each node has renewed its lease twice more: it has seen who else is there. */
export async function settled(cluster) {
  const { name } = cluster.nodes[0].home.database;
  const beats = () => psql(name, 'SELECT id, heartbeat_at FROM nodes ORDER BY id').split('\n');
  for (let round = 0; round < 2; round += 1) {
    const before = beats();
    await eventually(() => beats().every((beat) => !before.includes(beat)), 'every node renews its lease');
  }
}
