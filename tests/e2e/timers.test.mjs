// tsan
// late
// plugins
// covers: script, tide, app/reload
// Timers of scripts in a real server with two workers: named ones across reloads, and calls later.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { admin } from './support/admin.mjs';
import { reloaded } from './support/bundle.mjs';
import { eventually, test } from './support/limits.mjs';
import { PLUGINS } from './support/plugin_variant.mjs';
import { MS, notesOf, timersScript, withTimers } from './support/timers.mjs';

const STORM = PLUGINS ? 12 : 80; // generations

describe('named timers', () => {
  const { bundle, context } = withTimers();

  test('P16 neither double nor miss a tick across a storm of reloads', async () => {
    const { server } = context;
    await eventually(async () => (await notesOf(server)).ticks >= 3, 'ticks before the storm');
    for (let generation = 2; generation <= STORM; generation += 1) {
      bundle.put('timers.lua', timersScript(generation));
      await reloaded(server);
    }
    // The newest code ticks, so the timer outlived all of them.
    const notes = await eventually(async () => {
      const now = await notesOf(server);
      return now.generation === STORM && now;
    }, 'ticks after the storm');
    assert.equal(notes.doubles, undefined); // not by a second worker either
    // Each number was told by one tick, or as missed by the next one (which may be going on).
    await eventually(async () => {
      const now = await notesOf(server);
      return now.ticks + (now.missed ?? 0) === now.last;
    }, 'every tick is accounted for');
    // And the numbers are those of the clock: the rhythm has not moved by reloads. A late tick
    // differs by its delay, which the next one has not.
    await eventually(async () => {
      const now = await notesOf(server);
      return Math.abs(now.at - now['first at']) < 2 * MS;
    }, 'the rhythm is that of the beginning');
  });

  test('a tick that fails is told, and the next one comes', async () => {
    const { server } = context;
    bundle.put('timers.lua', timersScript(100, { body: 'notes:incr("failing") error("no tide")' }));
    await reloaded(server);
    await eventually(async () => (await notesOf(server)).failing >= 3, 'ticks after an error');
    const lines = server.log().split('\n');
    assert.ok(lines.some((line) => /script error/.test(line) && /timers\.lua:\d+: no tide/.test(line)));
    assert.ok(lines.some((line) => /tick failed/.test(line) && /beat/.test(line)));
  });

  test('P16 what is not declared any more stops in the swap, and a new interval holds at once', async () => {
    const { server } = context;
    bundle.put('timers.lua', timersScript(102, { ms: 86400000 }));
    await reloaded(server);
    bundle.put('timers.lua', 'return {}\n');
    await reloaded(server);
    const before = await notesOf(server);
    bundle.put('timers.lua', `
local notes = require("tide.shared").dict("notes")
require("tide.timer").every("other", ${MS}, function() notes:incr("others") end)
return {}
`);
    await reloaded(server);
    await eventually(async () => (await notesOf(server)).others >= 5, 'another one of the same interval ticks');
    assert.equal((await notesOf(server)).ticks, before.ticks);
    bundle.put('timers.lua', timersScript(103, { ms: 86400000 }));
    await reloaded(server);
    bundle.put('timers.lua', timersScript(104));
    await reloaded(server);
    await eventually(async () => (await notesOf(server)).generation === 104, 'the new interval');
  });

  test('a mistake in a declaration is refused at the reload', async () => {
    const { server } = context;
    bundle.put('timers.lua', `${timersScript(105).replace(/return \{\}\s*$/, '')}
timer.every("beat", 50, function() end)
return {}
`);
    const answer = await admin(server, 'POST', '/admin/reload');
    assert.equal(answer.status, 422, answer.text);
    assert.match(answer.body.errors[0].message, /timer 'beat' is declared twice/);
    const { ticks } = await notesOf(server);
    await eventually(async () => (await notesOf(server)).ticks > ticks, 'the old timer goes on');
  });
});

describe('slow ticks', () => {
  const body = `
    if notes:incr("running") > 1 then notes:incr("overlaps") end
    time.sleep(${3 * MS})
    notes:incr("running", -1)`;
  const { bundle, context } = withTimers({ body });

  test('P16 ticks never overlap, also not with those of the next generation', async () => {
    const { server } = context;
    for (let generation = 2; generation <= 12; generation += 1) {
      await eventually(async () => (await notesOf(server)).running === 1, 'a tick runs');
      bundle.put('timers.lua', timersScript(generation, { body }));
      await reloaded(server);
    }
    const notes = await eventually(async () => {
      const now = await notesOf(server);
      return now.generation === 12 && now;
    }, 'the newest code ticks');
    assert.equal(notes.overlaps, undefined);
    assert.equal(notes.doubles, undefined);
    assert.ok(notes.missed > 0);
  });
});

describe('calls later', () => {
  const { bundle, context } = withTimers({ ms: 86400000 });

  test('outlive their request and run the code that made them, also after a reload', async () => {
    const { server } = context;
    assert.deepEqual((await server.client().get('/later')).body, { version: 1 });
    bundle.put('lib/helper.lua', 'return { version = 2, app = 2 }\n');
    await reloaded(server);
    assert.equal((await server.client().get('/version')).body.helper, 2);
    await eventually(async () => (await notesOf(server)).later === 1, 'the call comes');
  });
});
