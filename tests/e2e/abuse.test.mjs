// covers: script, serve
// What a script may get wrong: each ends with a clear 500, while others are answered, and the worker
// goes on. Not under the thread sanitizer, which delays signals.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { ABUSES, LOOP, abuseRoutes } from './support/abuses.mjs';
import { Bundle, appScript, refused } from './support/bundle.mjs';
import { test, within } from './support/limits.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('script abuse', () => {
  const bundle = new Bundle({ 'app.lua': appScript({ routes: abuseRoutes() }) });
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
    assert.match(JSON.parse(line[0]).error, /^app\.lua:\d+: the script ran for more than \d+ ms of CPU time/);
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
