--- wrk's side of the search section. Arguments behind "--":
---
---   fill TOKEN ROUND   messages with words of all frequencies, round and
---                      round in 1,000 sessions
---   find TOKEN QUERY   one query again and again
---
--- Prints: requests, failed, p50, p95 and p99 in microseconds.

local WORDS = 10000
local SESSIONS = 1000

local mode, token, what
local serial = 0

function init(args)
  mode, token, what = args[1], args[2], args[3]
  math.randomseed(mode == "fill" and tonumber(what) or 1)
end

local function text()
  local words = { "The tide 潮水" }
  for i = 2, 20 do
    words[i] = "word" .. math.random(0, WORDS - 1)
  end
  if serial % 10 == 0 then
    words[#words + 1] = "harbour 北京"
  end
  return table.concat(words, " ")
end

local function escape(s)
  return (s:gsub("[^%w]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

function request()
  local headers = { Authorization = "Bearer " .. token }
  if mode == "find" then
    local path = wrk.path .. "?q=" .. escape(what)
    return wrk.format("GET", path, headers)
  end
  serial = serial + 1
  headers["Content-Type"] = "application/json"
  local body = ('{"session_id":"search-%d","model_name":"echo","message":"%s"}')
    :format(serial % SESSIONS, text())
  return wrk.format("POST", nil, headers, body)
end

function done(summary, latency)
  local failed = 0
  for _, kind in ipairs({ "connect", "read", "write", "status", "timeout" }) do
    failed = failed + summary.errors[kind]
  end
  io.write(
    ("RESULT %d %d %d %d %d\n"):format(
      summary.requests,
      failed,
      latency:percentile(50),
      latency:percentile(95),
      latency:percentile(99)
    )
  )
end
