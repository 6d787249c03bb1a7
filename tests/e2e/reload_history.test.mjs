// late
// plugins
// covers: app/reload, db
// What has served is kept: rollback, restarts, and a server that is killed in the middle.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe } from 'node:test';
import { admin, statusOf } from './support/admin.mjs';
import {
  Bundle, appScript, helperScript, reload, reloaded, rollback, version,
} from './support/bundle.mjs';
import { pause, test } from './support/limits.mjs';
import { startServer, tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

async function generations(server) {
  const answer = await admin(server, 'GET', '/admin/generations');
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}

describe('rollback', () => {
  const bundle = new Bundle();
  const context = withServer({ env: bundle.env });

  test('there is nothing to go back to at first', async () => {
    const answer = await rollback(context.server);
    assert.deepEqual([answer.status, answer.body.code], [422, 'nothing_to_roll_back']);
  });

  test('P18 rollback is byte-identical and works with lua/ deleted', async () => {
    const { server } = context;
    const first = await reloaded(server); // unchanged: what serves now
    const before = await version(server);
    bundle.put('lib/helper.lua', helperScript(2));
    await reloaded(server);
    assert.equal((await version(server)).helper, 2);
    rmSync(bundle.lua, { recursive: true });
    const dry = await rollback(server, '?dry_run=1');
    assert.deepEqual([dry.status, dry.body.restores], [200, first.generation], dry.text);
    assert.equal((await version(server)).helper, 2);
    const answer = await rollback(server);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual([answer.body.restores, answer.body.hash, answer.body.changed],
      [first.generation, first.hash, ['lib/helper.lua']]);
    assert.deepEqual(answer.body.files, first.files);
    assert.deepEqual(await version(server), before);
    const { body } = await reload(server);
    assert.equal(body.code, 'scripts_invalid', 'the folder is missing');
  });

  test('what was rolled back is not loaded again without force', async () => {
    const { server } = context;
    bundle.put('app.lua', appScript());
    bundle.put('lib/helper.lua', helperScript(2));
    const answer = await reload(server);
    assert.deepEqual([answer.status, answer.body.code, answer.body.errors], [422, 'scripts_rolled_back', []]);
    assert.equal((await version(server)).helper, 1);
    const failed = await tidetalk(server.home, ['reload']);
    assert.equal(failed.code, 1);
    await reloaded(server, '?force=1');
    assert.equal((await version(server)).helper, 2);
    assert.equal((await reloaded(server)).unchanged, true);
  });

  test('GET /admin/generations tells what has served, newest first', async () => {
    const { server } = context;
    const { current, generations: list, live } = await generations(server);
    assert.equal(current, (await statusOf(server)).generation);
    assert.deepEqual(list.map((g) => [g.number, g.outcome, g.made_by, g.restores]), [
      [4, 'current', `uid:${process.getuid()}`, null], [3, 'replaced', `uid:${process.getuid()}`, 1],
      [2, 'rolled_back', `uid:${process.getuid()}`, null], [1, 'replaced', 'start', null],
    ]);
    assert.deepEqual(list.map((g) => g.changed), [
      ['lib/helper.lua'], ['lib/helper.lua'], ['lib/helper.lua'], [],
    ]);
    assert.ok(list.every((g) => g.files === 3 && g.hash.length === 64));
    assert.ok(live.some((one) => one.generation === current && one.in_use === 0), JSON.stringify(live));
  });

  test('rolling back goes further back each time, and never to what was rolled back', async () => {
    const { server } = context;
    bundle.put('lib/helper.lua', helperScript(3));
    await reloaded(server);
    bundle.put('lib/helper.lua', helperScript(4));
    await reloaded(server);
    for (const expected of [3, 2, 1]) {
      const done = await tidetalk(server.home, ['rollback']);
      assert.equal(done.code, 0, done.stderr);
      assert.match(done.stdout, /^loaded: generation \d+, changed \["lib\/helper.lua"\], as generation \d+\n$/);
      assert.equal((await admin(server, 'GET', '/readyz')).body.scripts, 'history');
      assert.equal((await version(server)).helper, expected);
    }
    assert.equal((await rollback(server)).body.code, 'nothing_to_roll_back');
    assert.equal((await tidetalk(server.home, ['rollback'])).code, 1);
  });

  test('the history is bounded', async () => {
    const { server } = context;
    for (let n = 100; n < 160; n += 1) {
      bundle.put('lib/helper.lua', helperScript(n));
      await reloaded(server);
    }
    const { generations: list } = await generations(server);
    assert.equal(list.length, 50);
    assert.equal((await rollback(server)).status, 200);
    assert.equal((await version(server)).helper, 158);
  });
});

describe('restart', () => {
  test('P23 the same files are the same generation; broken ones leave the last good ones', async () => {
    const bundle = new Bundle();
    const server = await startServer({ env: bundle.env });
    bundle.put('lib/helper.lua', helperScript(2));
    const { generation } = await reloaded(server);
    await server.stop();

    await server.start();
    assert.equal((await statusOf(server)).generation, generation);
    let ready = await admin(server, 'GET', '/readyz');
    assert.deepEqual([ready.body.scripts, ready.body.scripts_reason], ['disk', undefined]);
    await server.stop();

    bundle.put('lib/helper.lua', 'return {');
    await server.start();
    assert.deepEqual(await version(server), { app: 2, helper: 2 });
    ready = await admin(server, 'GET', '/readyz');
    assert.equal(ready.body.scripts, 'history');
    assert.match(ready.body.scripts_reason, /lib\/helper\.lua:1: /);
    assert.equal((await server.client().get('/readyz')).body.scripts_reason, undefined);
    assert.match(server.log(), /the last good ones serve/);
    bundle.put('lib/helper.lua', helperScript(3));
    assert.equal((await reloaded(server)).generation, generation + 1);
    assert.equal((await admin(server, 'GET', '/readyz')).body.scripts, 'disk');

    // What was rolled back stays away, also over a restart.
    assert.equal((await rollback(server)).status, 200);
    await server.stop();
    await server.start();
    assert.deepEqual(await version(server), { app: 2, helper: 2 });
    assert.match((await admin(server, 'GET', '/readyz')).body.scripts_reason, /rolled back/);
    await server.stop();

    // Changed while no server ran: a new generation.
    bundle.put('lib/helper.lua', helperScript(4));
    await server.start();
    assert.deepEqual(await version(server), { app: 4, helper: 4 });
    await server.stop();

    rmSync(bundle.lua, { recursive: true });
    await server.start();
    assert.deepEqual(await version(server), { app: 4, helper: 4 });
    await server.stop();
    server.home.remove();
  });

  test('P23 without any good scripts the server does not start', async () => {
    const bundle = new Bundle({ 'lib/helper.lua': 'return {' });
    await assert.rejects(startServer({ env: bundle.env }), /the server ended \(2\)[^]*lib\/helper\.lua:1: /);
  });

  test('P23 kill -9 at any moment of a reload: the restart is on a valid generation', async () => {
    const bundle = new Bundle();
    const server = await startServer({ env: bundle.env });
    let last = 1;
    for (let round = 0; round < 12; round += 1) {
      const next = last + 1;
      bundle.put('lib/helper.lua', helperScript(next));
      const asked = Array.from({ length: 2 }, () => reload(server).catch(() => null));
      if (round % 4 === 3) asked.push(rollback(server).catch(() => null));
      await pause(round * 12);
      await server.kill();
      const answers = await Promise.all(asked);
      if (round % 3 === 2) bundle.put('lib/helper.lua', 'broken on the disk as well');
      await server.start();
      const seen = await version(server);
      assert.equal(seen.app, seen.helper);
      const { generations: list, current } = await generations(server);
      assert.deepEqual(list.filter((g) => g.outcome === 'current').map((g) => g.number), [current]);
      if (round % 4 !== 3) {
        // What was acknowledged is there; what was not may be.
        const known = answers.some((a) => a?.status === 200);
        assert.ok(seen.helper === next || (!known && round % 3 === 2), `${seen.helper} after ${next}`);
      }
      last = next;
    }
    await server.stop();
    server.home.remove();
  });
});
