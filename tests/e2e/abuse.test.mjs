// What a script may get wrong: each ends with a clear 500, while others are answered, and the worker
// goes on. Not under the thread sanitizer, which delays signals.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { Bundle, appScript, refused } from './support/bundle.mjs';
import { test, within } from './support/limits.mjs';
import { assertError, withServer } from './support/suite.mjs';

const LOOP = 'while true do end';

const ABUSES = {
  'an endless loop': [LOOP, 'script_timeout'],
  'a pcall loop': [`while true do pcall(function() ${LOOP} end) end`, 'script_timeout'],
  'a caught loop': [`pcall(function() ${LOOP} end) return { json = {} }`, 'script_timeout'],
  'nested pcalls': [
    `local function f(n) if n == 0 then ${LOOP} end while true do pcall(f, n - 1) end end f(50)`,
    'script_timeout'],
  'a coroutine loop': [
    `local c = coroutine.wrap(function() ${LOOP} end) c()`, 'script_timeout'],
  'coroutines in a loop': [
    `while true do coroutine.resume(coroutine.create(function() ${LOOP} end)) end`,
    'script_timeout'],
  'a looping error handler': [
    `xpcall(function() error("x") end, function() ${LOOP} end)`, 'script_timeout'],
  'a loop in a metamethod': [
    `return setmetatable({}, { __index = function() ${LOOP} end }).json`, 'script_timeout'],
  'a loop in a comparator': [`table.sort({ 3, 2, 1 }, function() ${LOOP} end)`, 'script_timeout'],
  'a loop in gsub': [`("abc"):gsub(".", function() ${LOOP} end)`, 'script_timeout'],
  'a loop in __close': [
    `local x <close> = setmetatable({}, { __close = function() ${LOOP} end }) ${LOOP}`,
    'script_timeout'],
  'a loop after a wait': [`time.sleep(1) ${LOOP}`, 'script_timeout'],
  'a huge rep': ['return { json = ("x"):rep(1e9) }', 'internal_error'],
  'deep recursion': ['local function f() return 1 + f() end f()', /^(internal_error|script_.*)$/],
  'a huge concat': [
    'local s = ("x"):rep(1 << 20) local t = {} for i = 1, 1024 do t[i] = s end '
    + 'return { json = table.concat(t) }', /^script_(memory|timeout)$/],
  'a memory bomb': ['local t = {} while true do t[#t + 1] = ("x"):rep(1 << 20) .. #t end',
    /^script_(memory|timeout)$/],
  'a finalizer': [`setmetatable({}, { __gc = function() ${LOOP} end })`, 'internal_error'],
  'string.dump': ['return { json = string.dump(print) }', 'internal_error'],
  'bytecode through load': ['load("\\27Lua")()', 'internal_error'],
  'a global': ['leak = 1', 'internal_error'],
  'a library edit': ['string.rep = nil', 'internal_error'],
  'a metatable edit': ['getmetatable("").__index = {}', 'internal_error'],
  'an edit through rawset': ['rawset(string, "rep", nil)', 'internal_error'],
  'an edit of _G': ['_G.print = 1', 'internal_error'],
  'an edit of package.loaded': ['package.loaded.string = nil', 'internal_error'],
  'a seed for everybody': ['math.randomseed(1)', 'internal_error'],
  'a pattern bomb': [
    'return { json = ("a"):rep(200):find((".-"):rep(20) .. "b") }', 'script_timeout'],
  'an endless table.move': ['table.move({}, 1, math.maxinteger - 1, 2)', 'internal_error'],
};

const routes = Object.values(ABUSES).map(([body], i) => `
  { method = "GET", path = "/abuse/${i}", auth = "none", handler = function() ${body} end },`);

describe('script abuse', () => {
  const bundle = new Bundle({ 'app.lua': appScript({ routes: routes.join('') }) });
  const context = withServer({ env: bundle.env });

  /** Requests of others, on both workers, for as long as the promise takes. */
  async function whileOthersAreServed(promise) {
    let done = false;
    const ended = promise.finally(() => { done = true; });
    let served = 0;
    while (!done) {
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => context.server.client().get('/version')));
      for (const answer of answers) assert.equal(answer.status, 200, answer.text);
      served += answers.length;
    }
    assert.ok(served > 0);
    return ended;
  }

  Object.entries(ABUSES).forEach(([name, [, code]], i) => {
    test(`${name} ends with a 500, and others are served`, async () => {
      const asked = Promise.all(Array.from({ length: 4 }, () => context.server.client().get(`/abuse/${i}`)));
      for (const answer of await whileOthersAreServed(within(asked, name))) {
        if (code instanceof RegExp) assert.match(answer.body.code, code);
        assertError(answer, 500, code instanceof RegExp ? answer.body.code : code);
      }
    });
  });

  test('a loop after an aborted loop on the same connection is stopped as well', async () => {
    for (let i = 0; i < 10; i += 1) {
      assertError(await context.server.client().get('/abuse/0'), 500, 'script_timeout');
      assert.equal((await context.server.client().get('/version')).status, 200);
    }
  });

  test('the log names the place and the route', async () => {
    await context.server.client().get('/abuse/0');
    const line = context.server.log().split('\n').filter((one) => one.includes('/abuse/0') && one.includes('ran for more than'));
    assert.ok(line.length > 0);
    assert.match(JSON.parse(line[0]).error, /^app\.lua:\d+: the script ran for more than 50 ms of CPU time/);
  });

  test('P6 endless loops and memory bombs in a module body are refused within their budget, and others are served', async () => {
    bundle.put('lib/helper.lua', `${LOOP}\nreturn {}\n`);
    const errors = await whileOthersAreServed(refused(context.server));
    assert.match(JSON.stringify(errors), /lib\/helper\.lua.*ran for more than 2000 ms/);
    bundle.put('lib/helper.lua', `while true do pcall(function() ${LOOP} end) end`);
    await whileOthersAreServed(refused(context.server));
    bundle.put('lib/helper.lua', 'local t = {} while true do t[#t + 1] = ("x"):rep(1 << 20) .. #t end');
    const bomb = await whileOthersAreServed(refused(context.server));
    assert.match(JSON.stringify(bomb), /lib\/helper\.lua.*(not enough memory|ran for more than)/);
    assert.equal((await context.server.client().get('/version')).body.helper, 1);
  });
});
