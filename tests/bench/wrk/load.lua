--- wrk's side of the benchmark. Arguments behind "--":
---
---   get  USERS           the URL's path, with a user's token
---   chat USERS MODEL SESSION COUNT
---                        a message; sessions SESSION-<thread>-<n>, COUNT of
---                        them round and round, or always a new one (0)
---   raw  MODEL           what the upstream itself takes
---   openai MODEL USERS [HEADER...]
---                        the same with a user's token (USERS is a file, or
---                        none) and more headers, "Name: value"
---
--- Prints: requests, failed, seconds, p50 and p99 in microseconds.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("thread_number", threads)
end

local QUESTION = "Why are there two tides a day?"
local tokens = {}
local more = {}
local mode, model, session, count
local serial = 0

local function read_tokens(path)
  for line in io.lines(path) do
    tokens[#tokens + 1] = "Bearer " .. line
  end
end

local function take_openai(args)
  model = args[2]
  if args[3] ~= "none" then
    read_tokens(args[3])
  end
  for i = 4, #args do
    local name, value = args[i]:match("^(.-): (.*)$")
    more[name] = value
  end
end

function init(args)
  mode = args[1]
  if mode == "raw" then
    model = args[2]
    return
  end
  if mode == "openai" then
    take_openai(args)
    return
  end
  read_tokens(args[2])
  model, session, count = args[3], args[4], tonumber(args[5])
end

local function chat_body()
  local n = count > 0 and serial % count or serial
  return ('{"session_id":"%s-%d-%d","model_name":"%s","message":"%s"}'):format(
    session,
    thread_number,
    n,
    model,
    QUESTION
  ), n
end

local function raw_body()
  return ('{"model":"%s","messages":[{"role":"system","content":"You are a '
    .. 'helpful assistant."},{"role":"user","content":"%s"}]}'):format(
    model,
    QUESTION
  )
end

function request()
  local headers = { ["Content-Type"] = "application/json" }
  local body, owner
  serial = serial + 1
  if mode == "raw" then
    return wrk.format("POST", nil, headers, raw_body())
  end
  if mode == "openai" then
    headers.Authorization = tokens[serial % #tokens + 1]
    for name, value in pairs(more) do
      headers[name] = value
    end
    return wrk.format("POST", nil, headers, raw_body())
  end
  if mode == "get" then
    headers.Authorization = tokens[serial % #tokens + 1]
    return wrk.format("GET", nil, headers)
  end
  -- A session belongs to the user that its number says.
  body, owner = chat_body()
  headers.Authorization = tokens[owner % #tokens + 1]
  return wrk.format("POST", nil, headers, body)
end

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "result.lua")
