// Counters of a node.
import assert from 'node:assert/strict';
import { adminText } from '../e2e/support/admin.mjs';

/** A counter of a node, of all its workers. */
export async function counted(node, name) {
  const { text } = await adminText(node, 'GET', '/metrics');
  const samples = [...text.matchAll(new RegExp(`^tidetalk_${name}(?:\\{.*\\})? (\\d+)$`, 'gm'))];
  assert.ok(samples.length > 0, name);
  return samples.reduce((sum, [, count]) => sum + Number(count), 0);
}
