// Of the section nodes: the node that owns a running reply is killed. How long until its session takes a
// turn at another node, until a viewer there has the end, and what other sessions notice.
import { randomInt } from 'node:crypto';
import { uniqueName } from '../e2e/support/client.mjs';
import { pause } from '../e2e/support/limits.mjs';
import { Server } from '../e2e/support/server.mjs';
import { through } from '../nodes/cluster.mjs';
import { sorted } from './numbers.mjs';
import { median, table, upstream } from './nodes_parts.mjs';

const HEARTBEAT_MS = 1000;

async function failure(cluster, models) {
  const [first, second] = cluster.nodes;
  const user = cluster.users[0];
  const there = through(second, user);
  const session = uniqueName('f'), idle = uniqueName('f');
  await user.say(models.quick, idle, 'before');
  const live = await user.open(models.slow, session, 'count');
  await live.until(() => live.frames.length > 1);
  live.end().catch(() => {}); // it breaks off
  const viewer = await there.resume(session);
  viewer.lateResets = true;
  await viewer.until(() => viewer.frames.length > 1);
  await pause(1500 + randomInt(1000)); // at any point between two heartbeats, with something stored
  await first.kill();
  const began = performance.now();
  const since = async (promise) => { await promise; return (performance.now() - began) / 1000; };
  const [others, turn, end] = await Promise.all([since(there.say(models.quick, idle, 'after')),
    since(there.say(models.quick, session, 'after')), since(viewer.end())]);
  cluster.nodes[0] = await new Server(first.home, first.home.port).start();
  await pause(2 * HEARTBEAT_MS); // all have seen that it is back
  return { others, turn, end };
}

export async function measureFailures(cluster, rounds) {
  const user = cluster.users[0];
  const models = {
    slow: await user.model(upstream('tokens=100000,pace=20'), { model_name: 'slow' }),
    quick: await user.model(upstream('echo=1'), { model_name: 'quick' }),
  };
  const kept = [];
  for (let i = 0; i < rounds; i += 1) kept.push(await failure(cluster, models));
  const row = (label, name) => [label, median(kept.map((one) => one[name])), sorted(kept.map((one) => one[name])).at(-1)];
  table([`**nodes**: the owner is killed, ${rounds} times, lease 5 s`, 'median s', 'longest s'], [
    row('until its session has answered a turn at another node', 'turn'),
    row('until a viewer through another node has the end', 'end'),
    row('a turn in a session in which nothing ran', 'others'),
  ]);
}
