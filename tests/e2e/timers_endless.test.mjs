// covers: script
// A tick that loops; apart from the other timers, since the thread sanitizer delays the signal that
// stops it.
import { describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { eventually, test } from './support/limits.mjs';
import { notesOf, timersScript, withTimers } from './support/timers.mjs';

describe('timers', () => {
  const { bundle, context } = withTimers();

  test('a tick that does not end is stopped, and the next one comes', async () => {
    const { server } = context;
    const body = 'notes:incr("failing") while true do end';
    const before = (await notesOf(server)).failing ?? 0;
    bundle.put('timers.lua', timersScript(101, { body }));
    await reloaded(server);
    await eventually(async () => (await notesOf(server)).failing >= before + 3, 'ticks after it');
  });
});
