--- wrk's side of the section nodes: turns over several servers. The addresses
--- ("host:port", separated by commas) are in WRK_ADDRESSES; thread n talks to
--- the nth of them, round and round. Arguments behind "--":
---
---   USERS MODEL SESSION any|own
---
--- Each session has TURNS turns. With "own" all of them go to the same server,
--- with "any" each goes to the next one.
---
--- Prints: requests, failed, seconds, p50 and p99 in microseconds.

local TURNS = 4
local SET = 120 -- sessions between two turns of one session

local threads = 0
local addresses = {}

for address in os.getenv("WRK_ADDRESSES"):gmatch("[^,]+") do
  addresses[#addresses + 1] = address
end

function setup(thread)
  local host, port =
    addresses[threads % #addresses + 1]:match("^(.*):(%d+)$")
  thread.addr = wrk.lookup(host, port)[1]
  thread:set("thread_number", threads)
  threads = threads + 1
end

local QUESTION = "Why are there two tides a day?"
local tokens = {}
local model, session, mode
local serial = 0

function init(args)
  for line in io.lines(args[1]) do
    tokens[#tokens + 1] = "Bearer " .. line
  end
  model, session, mode = args[2], args[3], args[4]
end

function request()
  local number = serial % SET
  local turn = math.floor(serial / SET) % TURNS
  local batch = math.floor(serial / SET / TURNS)
  local set = thread_number
  if mode == "any" then
    -- What another server's thread had in the turn before.
    set = (thread_number + turn) % math.max(#addresses, 2)
  end
  serial = serial + 1
  return wrk.format("POST", nil, {
    ["Content-Type"] = "application/json",
    Authorization = tokens[number % #tokens + 1],
  }, ('{"session_id":"%s-%d-%d-%d","model_name":"%s","message":"%s"}'):format(
    session,
    batch,
    set,
    number,
    model,
    QUESTION
  ))
end

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "result.lua")
