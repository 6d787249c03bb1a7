// late
// plugins
// covers: app/reload, serve, cache, tide
// What one generation hands to the next, and what becomes of one that turns out to be bad.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { admin, statusOf } from './support/admin.mjs';
import { Bundle, appScript, helperScript, refused, reloaded, version } from './support/bundle.mjs';
import { eventually, pause, test } from './support/limits.mjs';
import { describeWithoutPlugins } from './support/plugin_variant.mjs';
import { makeFolder } from './support/process.mjs';
import { copyScripts, writeScript } from './support/scripts.mjs';
import { withServer } from './support/suite.mjs';

// Each worker counts for itself, so one worker.
const stateful = (more = '') => appScript({
  more: `
    function M.export_state() return { counter = counter } end
    function M.on_start(state) counter = state and state.counter or 0 end
    function M.on_stop() log.warn("stopped", { counter = counter }) end
    ${more}`,
});
const count = async (server) => (await server.client().get('/count')).body.counter;

describe('hand-over', () => {
  const bundle = new Bundle({ 'app.lua': stateful() });
  const context = withServer({ env: { ...bundle.env, TIDETALK_WORKERS: '1' } });
  const stopped = (server) => server.log().split('\n').filter((line) => line.includes('"stopped"'));

  test('P24 the state goes from export_state to on_start, on_stop runs after the commit', async () => {
    const { server } = context;
    assert.equal(await count(server), 1);
    assert.equal(await count(server), 2);
    bundle.put('lib/helper.lua', helperScript(2));
    await reloaded(server);
    assert.equal(await count(server), 3);
    await eventually(() => stopped(server).length === 1, 'the old side stops');
    assert.match(stopped(server)[0], /"counter":2/);
  });

  test('P24 a refused hand-over fails the reload and the old side never stopped', async () => {
    const { server } = context;
    const before = stopped(server).length;
    const cases = [
      ['function M.on_start() return false, "not now" end', /'on_start' refuses: not now/, 'on_start'],
      ['function M.on_start(state) error("at " .. state.counter) end', /at 3/, 'on_start'],
      ['M.on_start = 5', /'on_start' is a number/, 'on_start'],
      ['function M.on_start() require("tide.db").query("SELECT 1") end', /db\.query/, 'on_start'],
    ];
    for (const [more, message, phase] of cases) {
      bundle.put('app.lua', stateful(more));
      const [error] = await refused(server);
      assert.match(error.message, message);
      assert.deepEqual([error.file, error.phase], ['app.lua', phase]);
    }
    bundle.put('app.lua', stateful());
    bundle.put('lib/helper.lua', helperScript(3));
    await reloaded(server, '?dry_run=1');
    assert.equal(stopped(server).length, before, 'nothing has stopped');
    assert.equal(await count(server), 4);
    assert.deepEqual(await version(server), { app: 2, helper: 2 });
  });

  test('P24 an old side that cannot export refuses a reload, but neither force nor rollback', async () => {
    const { server } = context;
    bundle.put('app.lua', stateful('function M.export_state() time.sleep(1) return {} end'));
    await reloaded(server);
    bundle.put('app.lua', stateful());
    let [error] = await refused(server);
    assert.match(error.message, /waits, which is not possible here/);
    assert.equal(error.phase, 'export_state');
    await reloaded(server, '?force=1');
    assert.equal(await count(server), 1, 'without a state');
    bundle.put('app.lua', stateful('function M.export_state() return { f = function() end } end'));
    await reloaded(server);
    bundle.put('app.lua', stateful());
    [error] = await refused(server);
    assert.equal(error.phase, 'export_state');
    assert.equal((await admin(server, 'POST', '/admin/rollback')).status, 200);
  });
});

describe('probation', () => {
  const bundle = new Bundle();
  const context = withServer({ env: { ...bundle.env, TIDETALK_RELOAD_PROBATION_ERRORS: '8' } });
  const bad = (n) => `return setmetatable({}, { __index = function() error("seeded ${n}") end })\n`;

  test('P20 probation rolls back a seeded bad handler', async () => {
    const { server } = context;
    bundle.put('lib/helper.lua', bad(1));
    const { generation, previous } = await reloaded(server);
    await eventually(async () => {
      await server.client().get('/version');
      return (await statusOf(server)).generation > generation;
    }, 'it is rolled back');
    assert.deepEqual(await version(server), { app: 1, helper: 1 });
    const { generations } = (await admin(server, 'GET', '/admin/generations')).body;
    assert.deepEqual(generations.slice(0, 2).map((g) => [g.made_by, g.outcome, g.restores]),
      [['probation', 'current', previous], [`uid:${process.getuid()}`, 'rolled_back', null]]);
    assert.match(server.log(), /scripts fail since the reload, they are rolled back/);
    const again = await admin(server, 'POST', '/admin/reload');
    assert.equal(again.body.code, 'scripts_rolled_back');
  });

  test('P20 a few failures among many requests are no reason, and neither is what failed before', async () => {
    const { server } = context;
    bundle.put('lib/helper.lua', helperScript(2));
    const { generation } = await reloaded(server);
    for (let i = 0; i < 60; i += 1) await version(server);
    for (let i = 0; i < 9; i += 1) await server.client().get('/fail');
    await pause(600);
    assert.equal((await statusOf(server)).generation, generation);
    for (let i = 0; i < 60; i += 1) await server.client().get('/fail');
    await eventually(async () => (await statusOf(server)).generation !== generation, 'now it is');

    bundle.put('lib/helper.lua', helperScript(3));
    const forced = await reloaded(server, '?force=1');
    for (let i = 0; i < 20; i += 1) await server.client().get('/fail');
    await pause(600);
    assert.equal((await statusOf(server)).generation, forced.generation, 'who forces has decided');
    bundle.put('lib/helper.lua', helperScript(4));
    const next = await reloaded(server);
    for (let i = 0; i < 20; i += 1) await server.client().get('/fail');
    await pause(600);
    assert.equal((await statusOf(server)).generation, next.generation, 'all failed before as well');
  });
});

describeWithoutPlugins('probation counts what is the scripts\' own fault', () => {
  const scripts = (endless) => appScript({
    routes: `{ method = "POST", path = "/work", auth = "none", request = {}, handler = function(req)
      local bytes = #req:raw_body()
      while bytes > ${endless ? 0 : 1000} do end
      return { json = {} }
    end },`,
  });
  const bundle = new Bundle({ 'app.lua': scripts(false) });
  const context = withServer({
    env: { ...bundle.env, TIDETALK_RELOAD_PROBATION_ERRORS: '8', TIDETALK_LIMITS_BODY: '64KiB' },
  });

  test('P20 what clients send is no reason, a loop in the new scripts is', async () => {
    const { server } = context;
    const work = async (bytes) => {
      const answer = await server.client().post('/work', JSON.stringify('x'.repeat(bytes - 2)));
      return answer.body.code;
    };
    assert.equal(await work(100), undefined);
    bundle.put('app.lua', scripts(true));
    const { generation } = await reloaded(server);
    for (let i = 0; i < 12; i += 1) assert.equal(await work(65536), 'script_timeout');
    for (let i = 0; i < 8; i += 1) assert.equal(await work(100), 'script_timeout');
    await eventually(async () => (await statusOf(server)).generation > generation, 'it is rolled back');
    assert.equal(await work(100), undefined);
    const line = server.log().split('\n').find((one) => one.includes('they are rolled back'));
    const { failures, requests } = JSON.parse(line);
    assert.deepEqual({ failures, requests }, { failures: 8, requests: 20 });
  });
});

describeWithoutPlugins('the shipped scripts', () => {
  const lua = copyScripts(makeFolder());
  const context = withServer({ env: { TIDETALK_LUA_DIR: lua } });

  test('P7 a broken policy contract is refused at reload, never at the first request', async () => {
    const { server } = context;
    const before = readFileSync(join(lua, 'policy/title.lua'), 'utf8');
    writeScript(lua, 'policy/title.lua', 'local M = {}\n\nfunction M.from_message() return 5 end\nreturn M\n');
    const errors = await refused(server);
    writeScript(lua, 'policy/title.lua', before);
    assert.deepEqual(errors.map((e) => [e.file, e.line, e.message]).sort(), [
      ['policy/title.lua', 1, 'from_answer must be a function, not a nil'],
      ['policy/title.lua', 1, 'placeholder must be a function, not a nil'],
      ['policy/title.lua', 1, 'question must be a function, not a nil'],
      ['policy/title.lua', 3, 'from_message must return a string, not a number'],
    ]);
    assert.equal((await statusOf(server)).generation, 1);
  });

  test('P7 a route whose schema is none is refused', async () => {
    const { server } = context;
    const path = 'models/model_routes.lua';
    const before = readFileSync(join(lua, path), 'utf8');
    writeScript(lua, path, before.replace('auth = "user",', 'auth = "user", query = { fields = { { name = "x", type = "strin" } } },'));
    const errors = await refused(server);
    assert.ok(errors.some((e) => e.file === path && /GET \/api\/models: query: x: unknown type 'strin'/.test(e.message)),
      JSON.stringify(errors));
    writeScript(lua, path, before);
  });

  test('P7 broken personas are told together with broken scripts', async () => {
    const { server } = context;
    writeScript(lua, 'policy/title.lua', 'return {');
    const style = join(server.home.folder, 'style.yaml');
    const before = readFileSync(style);
    writeFileSync(style, 'personas:\n  - name: A\n');
    const errors = await refused(server);
    assert.deepEqual(errors.map((e) => [e.file, e.line, e.phase]),
      [['style.yaml', 2, 'personas'], ['policy/title.lua', 1, 'compile']]);
    writeFileSync(style, before);
  });
});
