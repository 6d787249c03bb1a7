// Scripts with timers: what the ticks do is noted in a shared dictionary, which no reload empties.
import { Bundle, appScript } from './bundle.mjs';
import { withServer } from './suite.mjs';

export const MS = 40;

/** A file that declares timers: `body` runs in each tick of "beat". */
export const timersScript = (generation, { ms = MS, body = '', more = '' } = {}) => `
local shared, time, timer = require "tide.shared", require "tide.time", require "tide.timer"
local notes = shared.dict("notes")
timer.every("beat", ${ms}, function(tick)
  if not notes:add("tick " .. tick.number, ${generation}) then
    notes:incr("doubles")
  end
  notes:incr("ticks")
  notes:incr("missed", tick.missed)
  notes:set("last", tick.number)
  notes:add("first at", time.mono_ms() - tick.number * ${ms})
  notes:set("at", time.mono_ms() - tick.number * ${ms})
  notes:set("generation", ${generation})
  ${body}
end)
${more}
return {}
`;

const ROUTES = `
  { method = "GET", path = "/notes", auth = "none", handler = function()
    local notes, all = require("tide.shared").dict("notes"), {}
    for _, key in ipairs({ "ticks", "missed", "doubles", "last", "first at", "at", "generation",
        "others", "running", "overlaps", "later", "failing" }) do
      all[key] = notes:get(key)
    end
    return { json = all }
  end },
  { method = "GET", path = "/later", auth = "none", handler = function()
    local notes = require("tide.shared").dict("notes")
    require("tide.timer").after(300, function()
      time.sleep(10)
      notes:set("later", helper.version)
    end)
    return { json = { version = helper.version } }
  end },`;

export function withTimers(options) {
  const bundle = new Bundle({
    'app.lua': appScript({ routes: ROUTES, more: 'require "timers"' }),
    'timers.lua': timersScript(1, options),
  });
  return { bundle, context: withServer({ env: bundle.env }) };
}

export const notesOf = async (server) => (await server.client().get('/notes')).body;
