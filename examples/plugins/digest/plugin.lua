--- A scheduled job: counts each hour how many users and sessions there are, and
--- keeps the last count of each day in a table of its own.

local db = require "tide.db"
local json = require "tide.json"
local log = require "tide.log"
local time = require "tide.time"

local EVERY_MS = 3600000

local COUNT = "SELECT (SELECT COUNT(*) FROM users) AS users, "
  .. "(SELECT COUNT(*) FROM chat_sessions) AS sessions"
local KEEP = "INSERT INTO digest_days (day, users, sessions) VALUES (?, ?, ?) "
  .. "ON CONFLICT (day) DO UPDATE SET "
  .. "users = excluded.users, sessions = excluded.sessions"
local NEWEST =
  "SELECT day, users, sessions FROM digest_days ORDER BY day DESC LIMIT 30"

local function count()
  -- fetch, because counting takes long where there are many.
  local rows, err = db.fetch(COUNT)
  if rows then
    local day = time.now():sub(1, 10)
    local values = { day, rows[1].users, rows[1].sessions }
    rows, err = db.write({ { KEEP, values } })
  end
  if not rows then
    log.error("no digest", { code = err and err.code or "" })
  end
end

return {
  api = 1,
  timers = { count = { every = EVERY_MS, run = count } },
  routes = {
    {
      method = "GET",
      path = "/api/admin/digest",
      auth = "admin",
      summary = "Users and sessions of the last days",
      handler = function()
        local rows, err = db.query(NEWEST)
        return rows and { json = { data = json.array(rows) } }, err
      end,
    },
  },
}
