// late
// covers: script, tide, plugin
// Timers with a calendar across ends of the server. No test waits for a minute: what happened is
// moved back in the database while the server is down.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { refused, reloaded } from './support/bundle.mjs';
import { readSql, writeSql } from './support/grown.mjs';
import { eventually, test } from './support/limits.mjs';
import { withServer } from './support/suite.mjs';
import { notesOf } from './support/timers.mjs';

const DAY_S = 86400;

/** Ticks each day at noon, in a zone; the notes are served at /notes. */
const plugin = ({ first = 'due', cron = '0 12 * * *', zone = 'Asia/Shanghai', body = '' } = {}) => `
local json, shared, time = require "tide.json", require "tide.shared", require "tide.time"
local notes = shared.dict("notes")
return {
  api = 1,
  timers = {
    noon = { cron = "${cron}", zone = "${zone}", first = "${first}", run = function(tick)
      notes:incr("ticks")
      notes:set("missed", tick.missed)
      notes:set("hour", time.parts(tick.at, "Asia/Shanghai").hour)
      ${body}
    end },
  },
  routes = {
    { method = "GET", path = "/notes", auth = "none", summary = "What ticks noted.", handler = function()
      local all = {}
      for _, key in ipairs({ "ticks", "missed", "hour" }) do all[key] = notes:get(key) end
      return { json = all }
    end },
  },
}`;

describe('timers with a calendar', () => {
  const context = withServer();
  const put = (options) => {
    const folder = join(context.server.home.folder, 'plugins/almanac');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'plugin.lua'), plugin(options));
  };
  const row = (column) =>
    readSql(context.server.home, `(SELECT ${column} FROM timer_ticks WHERE name = 'almanac.noon')`);
  const known = () => eventually(async () => Number(await row('done_at')) > 0, 'the timer is known');
  /** Ends the server, and begins again as if this had been days ago. */
  const after = async (days, end = 'stop') => {
    const { server } = context;
    await server[end]();
    await writeSql(server.home, `UPDATE timer_ticks SET done_at = done_at - ${days * DAY_S}`);
    await server.start();
  };

  test('a wrong schedule is refused with its line', async () => {
    put({ cron: '0 25 * * *' });
    const [error] = await refused(context.server);
    assert.match(error.message, /'25' is no hour/);
    assert.match(JSON.stringify(error), /plugins\/almanac\/plugin\.lua/);
    put({ zone: 'Asia/Atlantis' });
    assert.match((await refused(context.server))[0].message, /no time zone 'Asia\/Atlantis'/);
  });

  test('nothing comes before its time, and the next one is told how many were missed', async () => {
    put();
    await reloaded(context.server);
    await known();
    await after(3);
    assert.equal((await notesOf(context.server)).ticks, undefined);
  });

  test('with first = "missed" a restart makes up for the last one', async () => {
    put({ first: 'missed' });
    await after(1);
    const notes = await eventually(async () => {
      const now = await notesOf(context.server);
      return now.ticks === 1 && now;
    }, 'a tick for what was missed');
    // Three days and one; which noon was the last depends on the hour at which this runs.
    assert.equal(notes.missed, 3);
    assert.equal(notes.hour, 12);
    await eventually(async () => await row('number') === '4', 'it is noted');
  });

  test('a tick that SIGKILL cut off counts as missed, and comes again', async () => {
    put({ first: 'missed', body: 'time.sleep(600000)' });
    await after(1);
    await eventually(async () => (await notesOf(context.server)).ticks === 1, 'the tick runs');
    await context.server.kill();
    put({ first: 'missed' });
    await context.server.start();
    const notes = await eventually(async () => {
      const now = await notesOf(context.server);
      return now.ticks === 1 && now;
    }, 'the same tick again');
    assert.equal(notes.missed, 0);
    await context.server.stop();
    await context.server.start();
    assert.equal((await notesOf(context.server)).ticks, undefined);
  });

  test('a reload with another schedule begins anew', async () => {
    const { server } = context;
    put({ first: 'missed', cron: '0 12 1 1 *' });
    await reloaded(server);
    await eventually(async () => (await row('schedule')) === '0 12 1 1 * Asia/Shanghai', 'the new schedule');
    assert.equal((await notesOf(server)).ticks, undefined);
  });
});
