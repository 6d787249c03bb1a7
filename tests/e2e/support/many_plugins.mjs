// Twenty plugins that differ in nothing but their names: a route, a hook of each kind that costs nothing to see, a
// module, a setting, a timer and a table of their own. Each knows its version, and in which the others are.
import { putPlugin } from './plugins.mjs';

export const NAMES = Array.from({ length: 20 }, (_, i) => `many${String(i).padStart(2, '0')}`);

const plugin = (name) => `local db, json, text = require "tide.db", require "tide.json", require "tide.text"
local words = require "${name}.words"
return {
  api = 1,
  settings = { limit = { type = "integer", default = 3, min = 1 } },
  timers = { look = { every = 60000, run = function() end } },
  hooks = {
    before_turn = function(turn) turn.data.${name} = words.version end,
    before_llm = function(turn) turn.messages[1].content = turn.messages[1].content .. "" end,
    on_delta = function() return function(piece) return words.upper and piece:upper() or piece end end,
    after_llm = function(turn) assert(turn.data.${name} == words.version) end,
  },
  routes = {
    { method = "GET", path = "/api/${name}", auth = "none", summary = "Its version, before and after a wait.",
      handler = function()
        local first = words.version
        local rows, err = db.query("SELECT COUNT(" .. (words.column or "*") .. ") AS n FROM ${name}_rows")
        require("tide.time").sleep(1)
        return rows and { json = { first = first, second = require("${name}.words").version,
          rows = rows[1].n } }, err
      end },
    { method = "POST", path = "/api/${name}", auth = "none", summary = "Adds a row.",
      handler = function()
        local done, err = db.write({ { "INSERT INTO ${name}_rows (word) VALUES (?)", { text.truncate("row", 9) } } })
        return done and { json = json.array({}) }, err
      end },
  },
}
`;

/** The text of a module of each that has a version. */
export const words = (version, more = '') => `return { version = ${version}, ${more} }\n`;

/** The files of one: path below its folder -> text. */
export const pluginFiles = (name, version, more) => ({
  'plugin.lua': plugin(name),
  'migrations/0001_rows.sql': `CREATE TABLE ${name}_rows (id INTEGER PRIMARY KEY, word TEXT NOT NULL);\n`,
  'words.lua': words(version, more),
});

export function putMany(server, version, more) {
  for (const name of NAMES) {
    for (const [path, text] of Object.entries(pluginFiles(name, version, more))) {
      putPlugin(server, `${name}/${path}`, text);
    }
  }
}

/** Gives all of them another version. */
export function changeMany(server, version, more) {
  for (const name of NAMES) putPlugin(server, `${name}/words.lua`, words(version, more));
}

/** A migration that only adds, of one of them. */
export function putMigration(server, name, number, sql = `ALTER TABLE ${name}_rows ADD COLUMN c${number} TEXT;`) {
  putPlugin(server, `${name}/migrations/${String(number).padStart(4, '0')}_more.sql`, `${sql}\n`);
}
