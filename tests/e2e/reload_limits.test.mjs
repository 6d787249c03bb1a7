// plugins
// covers: app/reload, script
// smoke
// Module bodies that do not end or take too much: refused, while the workers serve on.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { statusOf } from './support/admin.mjs';
import { Bundle, appScript, helperScript, refused, reloaded, version } from './support/bundle.mjs';
import { test } from './support/limits.mjs';
import { PLUGINS, describeWithoutPlugins } from './support/plugin_variant.mjs';
import { withServer } from './support/suite.mjs';

const BODIES = {
  'a loop': 'while true do end',
  'a loop within pcall': 'while true do pcall(function() while true do end end) end',
  'a memory bomb': 'local t = {}\nfor i = 1, math.huge do t[i] = ("x"):rep(1000) .. i end',
  'a recursion': 'local function f() return f() + 1 end\nf()',
};

// The server's own scripts call a plugin.lua so that its errors do not end the loading: with plugins, those bodies.
const BAD = PLUGINS ? '../plugins/bad/plugin.lua' : 'lib/bad.lua';
const NAMES = PLUGINS ? ['a loop within pcall', 'a memory bomb'] : Object.keys(BODIES);

describe('module bodies that do not end', () => {
  const bundle = new Bundle();
  const context = withServer({ env: bundle.env });

  for (const name of NAMES) {
    test(`P6 ${name} in a module body is refused within the load budget, workers go on serving`, async () => {
      const { server } = context;
      const { generation } = await statusOf(server);
      bundle.put(BAD, `${BODIES[name]}\nreturn {}\n`);
      let over = false;
      const asked = refused(server).finally(() => { over = true; });
      let served = 0;
      while (!over) {
        assert.deepEqual(await version(server), { app: 1, helper: 1 });
        served += 1;
      }
      const errors = await asked;
      assert.ok(served > 0);
      assert.ok(errors.some((e) => e.file === BAD.replace('../', '') && e.line >= 1), JSON.stringify(errors));
      assert.equal((await statusOf(server)).generation, generation);
      bundle.remove(BAD);
    });
  }
});

describeWithoutPlugins('checks and hand-overs that do not end', () => {
  const bundle = new Bundle();
  const context = withServer({ env: bundle.env });

  test('P6 a self test and an on_start that do not end are refused as well', async () => {
    const { server } = context;
    for (const more of ['M.self_tests = { function() while true do end end }',
      'function M.on_start() while true do end end']) {
      bundle.put('app.lua', appScript({ more }));
      const [error] = await refused(server);
      assert.equal(error.file, 'app.lua');
      assert.deepEqual(await version(server), { app: 1, helper: 1 });
    }
    bundle.put('app.lua', appScript());
    bundle.put('lib/helper.lua', helperScript(2));
    await reloaded(server);
    assert.deepEqual(await version(server), { app: 2, helper: 2 });
  });
});
