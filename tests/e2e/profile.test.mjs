// covers: script, app/admin, app/cli
// `tidetalk profile`: where the scripts of a running server spend time, while it goes on serving.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { admin } from './support/admin.mjs';
import { reloaded } from './support/bundle.mjs';
import { eventually, test } from './support/limits.mjs';
import { makeHome, tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const ROUTES = `local time = require "tide.time"
local function burn(n)
  local sum = 0
  for i = 1, n do sum = sum + i % 7 end
  return sum
end
local function calls_burn()
  local sum = burn(200000)
  time.sleep(1)
  return sum
end
return { api = 1, routes = {
  {method = "GET", path = "/api/burn", auth = "none", summary = "x",
    handler = function() return {json = {sum = calls_burn()}} end},
  {method = "GET", path = "/api/endless", auth = "none", summary = "x",
    handler = function() while true do end end},
} }
`;

describe('tidetalk profile', () => {
  const context = withServer();
  let over = false;
  let load;
  before(async () => {
    const folder = join(context.server.home.folder, 'plugins/burner');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'plugin.lua'), ROUTES);
    await reloaded(context.server);
    const ask = async () => {
      while (!over) {
        const answer = await fetch(`${context.server.url}/api/burn`).catch(() => null); // the server stops
        if (!answer) return;
        assert.equal(answer.status, 200);
      }
    };
    load = Promise.all([ask(), ask(), ask()]);
  });
  after(async () => { over = true; await load; });

  const profile = (...args) => tidetalk(context.server.home, ['profile', ...args]);
  const FILE = 'plugins/burner/plugin.lua';

  test('shows functions and lines', async () => {
    const { code, stdout, stderr } = await profile('2s');
    assert.equal(code, 0, stderr);
    const [, samples] = /^(\d+) samples in 2 s, one every \d+ ms/.exec(stdout);
    assert.ok(Number(samples) > 10, stdout);
    const [, functions, lines] = /^functions: [^\n]*\n([^]*)^lines\n([^]*)$/m.exec(stdout);
    assert.match(functions.split('\n')[0], new RegExp(`^ *\\d+\\.\\d% +\\d+\\.\\d%  ${FILE}:2  burn$`), stdout);
    assert.match(functions, new RegExp(`^ *\\d+\\.\\d% +\\d+\\.\\d%  ${FILE}:7  calls_burn$`, 'm'));
    assert.match(lines.split('\n')[0], new RegExp(`^ *\\d+\\.\\d%  ${FILE}:4$`), stdout);
  });

  test('counts what a function calls, once, and leaves the watchdog its work', async () => {
    const running = profile('1', '--json');
    const endless = await fetch(`${context.server.url}/api/endless`);
    assert.equal((await endless.json()).code, 'script_timeout');
    const { code, stdout, stderr } = await running;
    assert.equal(code, 0, stderr);
    const found = JSON.parse(stdout);
    assert.equal(found.running, false);
    const of = (line) => found.functions.find((entry) => entry.file === FILE && entry.line === line);
    const [burn, calls] = [of(2), of(7)];
    assert.ok(burn.self > calls.self && calls.total >= burn.total * 0.9 && calls.total <= found.samples, stdout);
    assert.ok(found.functions.every((entry) => entry.self <= entry.total));
    assert.equal(found.functions.reduce((sum, entry) => sum + entry.self, 0), found.samples);
  });

  test('one at a time, of a bounded length, and nothing is left on', async () => {
    const { server } = context;
    const first = await admin(server, 'POST', '/admin/profile?seconds=5');
    assert.deepEqual([first.status, first.body.running], [202, true]);
    const second = await admin(server, 'POST', '/admin/profile?seconds=1');
    assert.deepEqual([second.status, second.body.code], [503, 'busy']);
    const busy = await profile('1');
    assert.equal(busy.code, 1);
    assert.match(busy.stderr, /^tidetalk: profile: /);
    assert.equal((await admin(server, 'POST', '/admin/profile?seconds=61')).status, 400);
    for (const words of [['0'], ['61s'], ['soon'], ['1', '2']]) assert.equal((await profile(...words)).code, 2, words);
    const made = async () => (await admin(server, 'GET', '/admin/profile')).body;
    const { samples } = await eventually(async () => {
      const now = await made();
      return !now.running && now;
    }, 'it ends');
    assert.equal((await fetch(`${server.url}/api/burn`)).status, 200);
    assert.equal((await made()).samples, samples, 'no more is counted');
  });

  test('wants a running server', async () => {
    const home = makeHome();
    const { code, stderr } = await tidetalk(home, ['profile', '1']);
    home.remove();
    assert.equal(code, 1);
    assert.match(stderr, /^tidetalk: profile: /);
  });
});
