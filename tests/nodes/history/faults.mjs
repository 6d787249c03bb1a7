// What happens to nodes while clients talk, chosen by a seed: one fault of a node at a time, each healed before the
// node gets another one.
import { setTimeout as pause } from 'node:timers/promises';
import { psql } from '../../e2e/support/databases.mjs';
import { LEASE_MS } from '../cluster.mjs';

/** A mode of one of the node's proxies for a while: shorter or longer than the lease. */
const network = (which, mode) => async ({ node, chance }) => {
  const proxy = node.home.network[which];
  proxy.set(mode);
  await pause(chance.between(100, 2 * LEASE_MS));
  proxy.set('open');
};

/** name -> what it does to a node until it is healed. */
const FAULTS = {
  async kill({ node, chance }) {
    await node.kill();
    await pause(chance.between(0, 2 * LEASE_MS));
    await node.start();
  },
  async 'pause beyond the lease'({ node, chance }) {
    node.signal('SIGSTOP');
    await pause(LEASE_MS + chance.between(0, LEASE_MS));
    node.signal('SIGCONT');
  },
  async 'short pause'({ node, chance }) {
    node.signal('SIGSTOP');
    await pause(chance.between(50, LEASE_MS / 2));
    node.signal('SIGCONT');
  },
  async 'cut from the database'({ node }) { node.home.network.database.cut(); },
  'database refuses': network('database', 'closed'),
  'database is silent': network('database', 'silent'),
  async 'slow database'({ node, chance }) {
    node.home.network.database.delay = chance.between(5, 150);
    await pause(chance.between(300, 2 * LEASE_MS));
    node.home.network.database.delay = 0;
  },
  async 'cut from other nodes'({ node }) { node.home.network.others.cut(); },
  'other nodes are refused': network('others', 'closed'),
  'other nodes hear nothing': network('others', 'silent'),
  async 'terminated backends'({ node, chance }) {
    psql('postgres', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = '${node.home.database.name}' AND pid % ${chance.between(1, 3)} = 0`);
  },
};

/** Injects faults until `isOver`; `told` counts them by name. `at_once`: nodes that have one at the same time. */
export async function injectFaults(cluster, chance, isOver, { atOnce = 1, say = () => {} } = {}) {
  const told = {};
  const busy = new Set();
  const one = async () => {
    await pause(chance.between(200, 1500));
    if (isOver()) return;
    const free = cluster.nodes.filter((node) => !busy.has(node));
    const node = chance.pick(free);
    const name = chance.pick(Object.keys(FAULTS));
    busy.add(node);
    say(`${node.home.env.TIDETALK_NODES_NAME}: ${name}`);
    await FAULTS[name]({ node, chance });
    busy.delete(node);
    told[name] = (told[name] ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: atOnce }, async () => { while (!isOver()) await one(); }));
  return told;
}
