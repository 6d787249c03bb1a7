// tsan
// plugins
// covers: app/reload, serve, script
// Reloading scripts: what is taken, what is refused, and that nothing is in between.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { admin, statusOf } from './support/admin.mjs';
import { Bundle, appScript, helperScript, refused, reload, reloaded, version } from './support/bundle.mjs';
import { eventually, pause, test } from './support/limits.mjs';
import { tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

/** /held answers when /release was asked, on whichever worker and in whichever generation; /holding
 * tells how many wait for it. */
const HELD = `
  { method = "GET", path = "/held", auth = "none", handler = function()
    local gate, before = require("tide.shared").dict("gate"), helper.version
    gate:incr("holding")
    while not gate:get("open") do time.sleep(5) end
    return { json = { before = before, after = helper.version,
      required = require("lib.helper").version } }
  end },
  { method = "GET", path = "/holding", auth = "none", handler = function()
    return { json = { count = require("tide.shared").dict("gate"):get("holding") or 0 } }
  end },
  { method = "GET", path = "/release", auth = "none", handler = function()
    require("tide.shared").dict("gate"):set("open", 1)
    return { json = {} }
  end },`;

describe('reload', () => {
  const app = appScript({ routes: HELD });
  const bundle = new Bundle({ 'app.lua': app });
  const context = withServer({ env: bundle.env });
  let next = 2; // versions are never used twice

  test('P2 after a 200 every new request on every worker is new', async () => {
    const { server } = context;
    for (let round = 0; round < 5; round += 1) {
      bundle.put('lib/helper.lua', helperScript(next));
      const answer = await reloaded(server);
      assert.equal(answer.previous, answer.generation - 1);
      assert.deepEqual(answer.changed, ['lib/helper.lua']);
      assert.deepEqual(answer.files.map((file) => file.path), ['app.lua', 'lib/helper.lua', 'style.yaml']);
      // Many connections, kept alive from round to round, on both workers.
      const seen = await Promise.all(Array.from({ length: 40 }, () => server.client().get('/version')));
      for (const one of seen) {
        assert.deepEqual(one.body, { app: next, helper: next });
        assert.equal(one.headers.get('x-script-generation'), String(answer.generation));
      }
      next += 1;
    }
  });

  test('P3 a request begun before finishes with its old code', async () => {
    const { server } = context;
    const old = (await version(server)).helper;
    const { generation } = await statusOf(server);
    const running = Array.from({ length: 8 }, () => server.client().get('/held'));
    await eventually(async () =>
      (await server.client().get('/holding')).body.count === running.length, 'all of them run');
    bundle.put('lib/helper.lua', helperScript(next));
    await reloaded(server);
    assert.equal((await version(server)).helper, next);
    await server.client().get('/release'); // the reload has answered, and they still run
    for (const one of await Promise.all(running)) {
      assert.deepEqual(one.body, { before: old, after: old, required: old });
      assert.equal(one.headers.get('x-script-generation'), String(generation));
    }
    next += 1;
    await eventually(async () => (await statusOf(server)).generations_live === 1, 'old states are closed');
  });

  test('P5 syntax errors: all of them with file and line, nothing changed', async () => {
    const { server } = context;
    const before = await version(server);
    bundle.put('lib/one.lua', 'local a =\nlocal b = 1\n');
    bundle.put('lib/two.lua', '\n\nfor\n');
    bundle.put('lib/three.lua', 'return {}\n');
    const errors = await refused(server);
    assert.deepEqual(errors.map((e) => [e.file, e.line, e.phase]), [
      ['lib/one.lua', 2, 'compile'], ['lib/two.lua', 4, 'compile'],
    ]);
    assert.match(errors[0].message, /unexpected symbol/);
    assert.deepEqual(await version(server), before);
    for (const name of ['one', 'two', 'three']) bundle.remove(`lib/${name}.lua`);
    assert.equal((await reloaded(server)).unchanged, true);
  });

  test('P6 a run-time error in a module body is refused with its traceback', async () => {
    const { server } = context;
    const before = await version(server);
    bundle.put('lib/bad.lua', 'local function f()\n  local t = nil\n  return t.x\nend\nf()\nreturn {}\n');
    const [error, ...more] = await refused(server);
    assert.deepEqual([error.file, error.line, more.length], ['lib/bad.lua', 3, 0]);
    assert.match(error.traceback, /stack traceback:[^]*lib\/bad\.lua:5/);
    assert.deepEqual(await version(server), before);
    bundle.remove('lib/bad.lua');
  });

  test('P7 a missing require, a duplicate route and a handler that is none are refused', async () => {
    const { server } = context;
    bundle.put('lib/lonely.lua', 'return require "lib.nowhere"\n');
    bundle.put('lib/lonelier.lua', '\nreturn require "lib.nothing"\n');
    let errors = await refused(server);
    assert.deepEqual(errors.map((e) => [e.file, e.line]), [['lib/lonelier.lua', 2], ['lib/lonely.lua', 1]]);
    assert.match(errors[1].message, /module 'lib\.nowhere' not found/);
    bundle.remove('lib/lonely.lua');
    bundle.remove('lib/lonelier.lua');

    bundle.put('app.lua', appScript({ routes: `
      { method = "GET", path = "/version", auth = "none", handler = version },
      { method = "GET", path = "/text", auth = "none", handler = "version" },` }));
    errors = await refused(server);
    assert.equal(errors.length, 2, JSON.stringify(errors));
    assert.match(errors[0].message, /GET \/version/);
    assert.match(errors[1].message, /'handler' is a string, not a function/);
    assert.deepEqual(errors.map((e) => e.phase), ['routes', 'routes']);

    bundle.put('app.lua', appScript({ more: `
      local function odd() return 1 end
      M.self_tests = { function()
        return { "lib/helper.lua:1: version must be even", { message = "is odd", at = odd } }
      end, function() error("no") end }` }));
    errors = await refused(server);
    assert.deepEqual(errors.map((e) => [e.file, e.message, e.phase]), [
      ['lib/helper.lua', 'version must be even', 'self_tests'],
      ['app.lua', 'is odd', 'self_tests'], ['app.lua', 'no', 'self_tests'],
    ]);
    bundle.put('app.lua', app);
    assert.equal((await reloaded(server)).unchanged, true);
  });

  test('P8 fixing the file and reloading works', async () => {
    const { server } = context;
    bundle.put('lib/helper.lua', 'return {');
    await refused(server);
    bundle.put('lib/helper.lua', helperScript(next));
    const answer = await reloaded(server);
    assert.equal((await version(server)).helper, next);
    assert.equal(answer.generation, answer.previous + 1, 'what was refused has used up no number');
    next += 1;
  });

  test('P9 a changed helper is picked up, P10 a deleted file is gone', async () => {
    const { server } = context;
    bundle.put('lib/extra.lua', 'return { version = 77 }\n');
    bundle.put('lib/helper.lua', `return { version = require("lib.extra").version, app = ${next} }\n`);
    assert.deepEqual((await reloaded(server)).changed, ['lib/extra.lua', 'lib/helper.lua']);
    assert.deepEqual(await version(server), { app: next, helper: 77 });
    bundle.put('lib/extra.lua', 'return { version = 78 }\n');
    await reloaded(server);
    assert.deepEqual(await version(server), { app: next, helper: 78 });
    bundle.remove('lib/extra.lua');
    const [error] = await refused(server);
    assert.match(error.message, /module 'lib\.extra' not found/);
    assert.deepEqual(await version(server), { app: next, helper: 78 });
    next += 1;
    bundle.put('lib/helper.lua', helperScript(next));
    assert.deepEqual((await reloaded(server)).changed, ['lib/helper.lua', 'lib/extra.lua']);
    next += 1;
  });

  test('P11 unchanged content makes no generation', async () => {
    const { server } = context;
    const before = await statusOf(server);
    bundle.put('lib/helper.lua', helperScript(next - 1)); // written anew, the same bytes
    const answer = await reloaded(server);
    assert.deepEqual([answer.unchanged, answer.generation, answer.previous, answer.changed],
      [true, before.generation, before.generation, []]);
    assert.equal((await statusOf(server)).generation, before.generation);
  });

  test('P12 concurrent reloads serialise, each gets its own answer', async () => {
    const { server } = context;
    const before = (await statusOf(server)).generation;
    bundle.put('lib/helper.lua', helperScript(next));
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) =>
      reloaded(server, i % 3 === 2 ? '?dry_run=1' : '')));
    assert.equal((await statusOf(server)).generation, before + 1);
    assert.equal(answers.filter((a) => !a.unchanged && !a.dry_run).length, 1);
    assert.ok(answers.every((a) => a.generation === before + 1 || a.dry_run));
    next += 1;
  });

  test('P12 reloads of contents that change meanwhile: each answer is about what was there', async () => {
    const { server } = context;
    const start = await statusOf(server);
    const puts = []; // every other one is broken, and each breaks in its own way
    const put = () => {
      const version = next;
      next += 1;
      const good = puts.length % 2 === 1;
      const text = good ? helperScript(version) : `error("broken ${version}")\n`;
      bundle.put('lib/helper.lua', text);
      puts.push(good ? createHash('sha256').update(text).digest('hex') : `broken ${version}`);
    };
    const taken = [];
    let refusals = 0;
    const enough = () => taken.length >= 5 && refusals >= 5;
    const ask = async () => {
      while (!enough()) {
        const from = puts.length - 1;
        const { status, body, text } = await reload(server);
        const there = puts.slice(from);
        if (status === 200) {
          const file = body.files.find((one) => one.path === 'lib/helper.lua');
          assert.ok(there.includes(file.sha256), `${text}: not of ${there}`);
          if (!body.unchanged) taken.push([body.previous, body.generation]);
        } else {
          assert.equal(status, 422, text);
          assert.ok(there.some((one) => text.includes(`${one}"`)), `${text}: not of ${there}`);
          refusals += 1;
        }
      }
    };
    put();
    const asking = Promise.all(Array.from({ length: 6 }, ask));
    let failed = false;
    asking.catch(() => { failed = true; });
    while (!failed && !enough()) {
      await pause(10);
      put();
    }
    await asking;
    // One after the other: each began where the one before it had ended.
    taken.sort(([a], [b]) => a - b);
    assert.deepEqual(taken, taken.map((_, i) => [start.generation + i, start.generation + i + 1]));
    bundle.put('lib/helper.lua', helperScript(next));
    await reloaded(server);
    next += 1;
  });

  test('P13 a half-written file is never loaded', async () => {
    const { server } = context;
    // A file that grows, and that is valid Lua at several lengths.
    const file = openSync(join(bundle.lua, 'lib/helper.lua'), 'w');
    const parts = ['return { version = 1', '1', '1', `, app = ${next} }`, '\n'];
    let written = 0;
    let asking;
    for (const part of parts) {
      writeSync(file, part);
      written += 1;
      asking ??= reload(server);
      await pause(20);
    }
    closeSync(file);
    const answer = await asking;
    assert.equal(written, parts.length);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(await version(server), { app: next, helper: 111 });
    next += 1;
    bundle.put('lib/helper.lua', helperScript(next));
    await reloaded(server);
    next += 1;
  });

  test('P19 responses and logs carry the generation', async () => {
    const { server } = context;
    const { generation } = await statusOf(server);
    for (const path of ['/version', '/fail', '/nowhere']) {
      const answer = await server.client().get(path);
      assert.equal(answer.headers.get('x-script-generation'), String(generation), path);
    }
    await server.client().get('/log');
    const lines = server.log().split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    for (const message of ['from the script', 'script error', 'request']) {
      const line = lines.filter((one) => one.message === message).at(-1);
      assert.equal(line?.generation, generation, message);
    }
  });

  test('P22 a dry run changes nothing', async () => {
    const { server } = context;
    const before = await version(server);
    const { generation } = await statusOf(server);
    bundle.put('lib/helper.lua', helperScript(next));
    const answer = await reloaded(server, '?dry_run=1');
    assert.deepEqual([answer.dry_run, answer.previous, answer.changed], [true, generation, ['lib/helper.lua']]);
    assert.deepEqual(await version(server), before);
    assert.equal((await statusOf(server)).generation, generation);
    bundle.put('lib/helper.lua', 'oops');
    assert.equal((await refused(server, '?dry_run=1')).length, 1);
    assert.deepEqual(await version(server), before);
    next += 1;
    bundle.put('lib/helper.lua', helperScript(next));
    assert.equal((await reloaded(server)).generation, generation + 1, 'the dry run has used up no number');
    next += 1;
  });

  test('the command and SIGHUP reload as well', async () => {
    const { server } = context;
    bundle.put('lib/helper.lua', helperScript(next));
    const dry = await tidetalk(server.home, ['reload', '--dry-run']);
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^ok, not loaded: generation \d+, changed \["lib\/helper.lua"\]\n$/);
    const loaded = await tidetalk(server.home, ['reload', '--wait']);
    assert.match(loaded.stdout, /^loaded: generation \d+/);
    assert.equal((await version(server)).helper, next);
    assert.match((await tidetalk(server.home, ['reload'])).stdout, /^unchanged: generation \d+\n$/);
    next += 1;
    bundle.put('lib/helper.lua', 'oops');
    const failed = await tidetalk(server.home, ['reload', '--wait']);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /^lib\/helper.lua:1: /);
    assert.match(failed.stderr, /Generation \d+ keeps serving/);
    bundle.put('lib/helper.lua', helperScript(next));
    server.signal('SIGHUP');
    await eventually(async () => (await version(server)).helper === next, 'SIGHUP reloads');
    next += 1;
  });

  test('only POST reloads', async () => {
    const { server } = context;
    assert.equal((await admin(server, 'GET', '/admin/reload')).status, 405);
    assert.equal((await server.client().post('/admin/reload', {})).status, 404);
  });
});
