--- A scheduled job: counts each night how many users and sessions there are,
--- keeps the count, and sends it to an address, again until it has arrived.

local config = require "tide.config"
local db = require "tide.db"
local http = require "tide.http"
local json = require "tide.json"
local queue = require "tide.queue"
local time = require "tide.time"

local COUNT = "SELECT (SELECT COUNT(*) FROM users) AS users, "
  .. "(SELECT COUNT(*) FROM chat_sessions) AS sessions"
local KEEP = "INSERT INTO digest_days (day, users, sessions) VALUES (?, ?, ?) "
  .. "ON CONFLICT (day) DO UPDATE SET "
  .. "users = excluded.users, sessions = excluded.sessions"
local NEWEST =
  "SELECT day, users, sessions FROM digest_days ORDER BY day DESC LIMIT 30"

local function count()
  -- fetch, because counting takes long where there are many.
  local now = assert(db.fetch(COUNT))[1]
  local day = time.now():sub(1, 10)
  assert(db.write({ { KEEP, { day, now.users, now.sessions } } }))
  if config.get("plugins.digest.url") ~= "" then
    now.day = day
    assert(queue.push("digest_send", now, { key = day }))
  end
end

local function send(job)
  local url = config.get("plugins.digest.url")
  local body = json.encode(job.payload)
  local answer, err = http.request({ url = url, method = "POST", body = body })
  if answer and answer.status >= 300 then
    err = { code = "digest_refused", detail = "status " .. answer.status }
  end
  return not err or nil, err
end

return {
  api = 1,
  settings = { url = { type = "string", default = "" } },
  timers = { count = { cron = "0 3 * * *", zone = "UTC", run = count } },
  queues = { digest_send = { run = send, attempts = 8, backoff = 60000 } },
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
