// covers: node, chat
// Turns and leases of simulated nodes, in virtual time (simulation/host.c): whatever is killed, asleep, cut off or late,
// nothing that was acknowledged is lost or done twice. When one of the conditions in the server's statements is taken out,
// the simulation finds that.
//
// TIDETALK_SIMULATION_SECONDS (20), TIDETALK_SIMULATION_SEED (random; printed).
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { dirname, join } from 'node:path';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { ROOT, run } from '../e2e/support/process.mjs';
import { TIDETALK } from '../e2e/support/server.mjs';

const PROGRAM = join(dirname(TIDETALK), 'tests', 'node_simulation');
const SECONDS = process.env.TIDETALK_SIMULATION_SECONDS || '20';
const SEED = process.env.TIDETALK_SIMULATION_SEED || String(randomInt(2 ** 31));
const simulate = (...words) => run(PROGRAM, ['--seed', SEED, ...words], { cwd: ROOT });

describe(`simulated nodes, seed ${SEED}`, () => {
  test('nothing is broken', { timeout: 2000 * SECONDS + 60_000 }, async (context) => {
    const { code, stdout, stderr } = await simulate('--seconds', SECONDS);
    context.diagnostic(stdout.split('\n')[0]);
    assert.equal(code, 0, stdout + stderr);
  });

  test('a seed repeats its schedule', async () => {
    const [first, second] = await Promise.all([1, 2].map(() => simulate('--schedules', '20')));
    const jobs = ({ stdout }) => /with (\d+) jobs/.exec(stdout)[1];
    assert.equal(jobs(first), jobs(second));
  });

  for (const rule of ['end_epoch', 'checkpoint_epoch', 'chunks_epoch', 'session_owner', 'session_version',
    'turn_generation']) {
    test(`without ${rule} something is broken`, async (context) => {
      const { code, stdout, stderr } = await simulate('--seconds', '20', '--rule', rule);
      context.diagnostic(stdout.split('\n')[0]);
      assert.equal(code, 1, stdout + stderr);
    });
  }
});
