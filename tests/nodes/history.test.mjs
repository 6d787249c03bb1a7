// covers: node, chat, reply, web
// Histories of clients that talk through all nodes while nodes are killed, paused and cut off: nothing is lost,
// doubled or reordered, and nobody reads less than was acknowledged before.
//
// TIDETALK_HISTORY_SECONDS (15), TIDETALK_HISTORY_NODES (2), TIDETALK_HISTORY_FAULTS (1: nodes that have one at the same
// time), TIDETALK_HISTORY_SEED (random; printed).
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { HANG_MS, test } from '../e2e/support/limits.mjs';
import { runHistory } from './history/run.mjs';

const setting = (name, value) => Number(process.env[`TIDETALK_HISTORY_${name}`] || value);
const ms = 1000 * setting('SECONDS', 15);
const seed = setting('SEED', randomInt(2 ** 31));

test(`a history with faults, seed ${seed}`, { timeout: ms + 3 * HANG_MS }, async (context) => {
  const say = (text) => context.diagnostic(`${new Date().toISOString().slice(11, 19)} ${text}`);
  const { anomalies, unexpected, path, ...seen } = await runHistory({
    seed, ms, nodes: setting('NODES', 2), atOnce: setting('FAULTS', 1), say,
  });
  context.diagnostic(JSON.stringify({ seed, ...seen }));
  assert.deepEqual({ anomalies, unexpected, path }, { anomalies: [], unexpected: [], path: undefined });
  assert.ok(seen.appends.ok > 0 && seen.reads > 0, 'clients talked');
});
