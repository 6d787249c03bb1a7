// Of the section nodes: viewers of replies that run on one node, half of them through that node and half
// through the other one, at the same time. Every byte is checked.
import { uniqueName } from '../e2e/support/client.mjs';
import { pause } from '../e2e/support/limits.mjs';
import { median, output, table, upstream } from './nodes_parts.mjs';

const PACE_MS = 50;

/** Runs the client that reads streams. */
async function read(node, cluster, streams, tokens, session, more) {
  const text = await output(process.env.STREAM_CLIENT, [
    '--address', node.url.replace('http://', ''), '--users', cluster.tokens, '--session', session, '--tokens', String(tokens),
    '--streams', String(streams), '--stamp', '--pid', String(node.pid), ...more]);
  return JSON.parse(text);
}

async function round(cluster, streams, tokens, model) {
  const [owner, other] = cluster.nodes;
  const session = uniqueName('v');
  const spread = String(tokens * PACE_MS / 8);
  const view = ['--view', '--path', '/api/chat/sessions', '--spread', spread];
  const live = read(owner, cluster, streams, tokens, session, ['--path', '/api/chat/message/stream', '--model', model, '--spread', spread]);
  await pause(tokens * PACE_MS / 4);
  const [, direct, relayed] = await Promise.all([live,
    read(owner, cluster, streams, tokens, session, view), read(other, cluster, streams, tokens, session, view)]);
  return { direct, relayed };
}

export async function measureViewers(cluster, { rounds, quick }) {
  const streams = quick ? 40 : 100, tokens = quick ? 60 : 200;
  const model = 'paced';
  for (const user of cluster.users) {
    await user.model(upstream(`tokens=${tokens},pace=${PACE_MS},stamp=1`), { model_name: model });
  }
  const kept = { direct: [], relayed: [] };
  for (let i = 0; i < rounds; i += 1) {
    const seen = await round(cluster, streams, tokens, model);
    for (const way of Object.keys(kept)) kept[way].push(seen[way]);
  }
  const row = (label, name, divisor = 1) => {
    const [direct, relayed] = ['direct', 'relayed'].map((way) => median(kept[way].map((one) => one[name])) / divisor);
    return [label, direct, relayed, relayed - direct];
  };
  table([`**nodes**: ${streams} streams at ${1000 / PACE_MS} tokens per second, a viewer of each`, 'through the owner', 'through the other', 'added'], [
    row('from the request to the first text, p50 ms', 'first_p50_us', 1000),
    row('from the request to the first text, p99 ms', 'first_p99_us', 1000),
    row('from the upstream to the viewer, per token, p50 ms', 'latency_p50_us', 1000),
    row('from the upstream to the viewer, per token, p99 ms', 'latency_p99_us', 1000),
    ['CPU us per token of the node that passes on', '', median(kept.relayed.map((one) => one.cpu_us_per_token)), ''],
  ]);
}
