--- One JSON-RPC message to a server, and what comes back: JSON, or a stream of
--- events that holds it. Bodies stay in the core (tide.Raw): what a server
--- sends is as large and as strange as it likes.

local crypto = require "tide.crypto"
local events = require "mcp.events"
local http = require "tide.http"
local json = require "tide.json"
local task = require "tide.task"
local time = require "tide.time"

local M = {}

--- Bytes of an answer's body.
local BODY_MAX = 1024 * 1024
--- Milliseconds that http.stream lets a server be silent, at most.
local IDLE_MAX = 600000
--- Bytes of an error's text.
local TEXT_MAX = 500

--- Why no answer came, for the model and for people.
local REASONS = {
  outbound_timeout = "it did not answer in time",
  outbound_too_large = "its answer is too large",
  outbound_failed = "it cannot be reached",
  address_not_allowed = "its address is not allowed here",
  invalid_url = "its address is no URL of a server",
  invalid_header = "its token cannot be sent in a header",
}

---@class mcp.Problem
---@field text string what is wrong, for the model and for people
---@field code? string of tide.http
---@field status? integer of HTTP
---@field rpc? integer code of a JSON-RPC error
---@field error? tide.Raw that error

---@class mcp.Answer
---@field status integer
---@field headers table<string, string>
---@field result? tide.Raw
---@field problem? mcp.Problem nil: there is a result, or none was asked for

---@param text string
---@param more? table
---@return mcp.Problem
function M.problem(text, more)
  local problem = more or {}
  problem.text = text
  return problem
end

--- The headers that tell a server who asks.
---@param server mcp.Server
---@return table<string, any>
local function headers_of(server)
  local headers = {
    ["Content-Type"] = "application/json",
    Accept = "application/json, text/event-stream",
  }
  if server.secret and server.header == "" then
    headers.Authorization = { "Bearer ", server.secret }
  elseif server.secret then
    headers[server.header] = server.secret
  end
  return headers
end

--- The message in a body that answers a request.
---@param text string
---@param id string
---@return tide.Raw|nil
local function answer_to(text, id)
  local message = json.raw(text)
  if not message or message:type() ~= "object" then
    return nil
  end
  local given, result, failure = message:members("id", "result", "error")
  if given == id and (result ~= nil or failure ~= nil) then
    return message
  elseif failure ~= nil and (given == nil or given == json.null) then
    return message -- the server could not read what it was asked
  end
end

--- The first message of a stream of events that answers; others are
--- notifications, and requests that this client does not take. What comes
--- behind it is not waited for.
---@async
---@param stream tide.HttpStream
---@param id string
---@return tide.Raw|nil message
---@return tide.Error|nil err
local function read_events(stream, id)
  local reader = events.new()
  local function on_event(data)
    return answer_to(data, id)
  end
  while not reader.full do
    local piece, err = stream:read()
    if not piece then
      return not err and reader:finish(on_event) or nil, err
    end
    local message = reader:add(piece, on_event)
    if message then
      return message
    end
  end
end

--- The same of a body that is one message.
---@async
---@param stream tide.HttpStream
---@param id string
---@return tide.Raw|nil message
---@return tide.Error|nil err
local function read_body(stream, id)
  local pieces = {}
  while true do
    local piece, err = stream:read()
    if err then
      return nil, err
    elseif not piece then
      return answer_to(table.concat(pieces), id)
    end
    pieces[#pieces + 1] = piece
  end
end

---@param failure any the member `error`
---@param status integer
---@return mcp.Problem
local function rpc_problem(failure, status)
  if not json.is_raw(failure) or failure:type() ~= "object" then
    return M.problem("its answer is no JSON-RPC", { status = status })
  end
  local code, message = failure:members("code", "message")
  local text = type(message) == "string" and message or "an error"
  return M.problem("it says: " .. text:sub(1, TEXT_MAX), {
    status = status,
    rpc = math.tointeger(code) or 0,
    error = failure,
  })
end

---@param answer mcp.Answer changed
---@param message tide.Raw|nil
local function judge(answer, message)
  local status = answer.status
  local result, failure
  if message then
    result, failure = message:members("result", "error")
  end
  if failure ~= nil then
    answer.problem = rpc_problem(failure, status)
  elseif status == 401 or status == 403 then
    answer.problem = M.problem(
      "it does not accept the token, or needs one",
      { status = status }
    )
  elseif status < 200 or status > 299 then
    answer.problem =
      M.problem(("it answered with status %d"):format(status), {
        status = status,
      })
  elseif not json.is_raw(result) or result:type() ~= "object" then
    answer.problem =
      M.problem("its answer is no JSON-RPC", { status = status })
  else
    answer.result = result
  end
end

--- An answer that did not come, or not whole.
---@param code string
---@return mcp.Answer
local function no_answer(code)
  local text = REASONS[code] or "it could not be asked"
  return {
    status = 0,
    headers = {},
    problem = M.problem(text, { code = code }),
  }
end

--- Reads the answer until its time is over, however its pieces come.
---@async
---@param stream tide.HttpStream
---@param id string
---@param ends integer
---@return mcp.Answer
local function read(stream, id, ends)
  local answer = { status = stream:status(), headers = stream:headers() }
  local kind = answer.headers["content-type"] or ""
  local message, err
  local clock, busy = task.spawn(function()
    time.sleep(math.max(ends - time.mono_ms(), 1))
    stream:close()
  end)
  if not clock then
    return no_answer(busy.code)
  end
  if kind:find("^text/event%-stream") then
    message, err = read_events(stream, id)
  elseif kind:find("json", 1, true) then
    message, err = read_body(stream, id)
  end
  clock:cancel()
  if not message and time.mono_ms() >= ends then
    return no_answer("outbound_timeout")
  elseif err then
    return no_answer(err.code)
  end
  judge(answer, message)
  return answer
end

---@class mcp.Message
---@field method string
---@field params? table
---@field headers table<string, string>
---@field ends integer when the time is over, of time.mono_ms
---@field notification? boolean no answer is wanted

--- Sends a message.
---@async
---@param server mcp.Server
---@param message mcp.Message
---@return mcp.Answer answer with a problem, if there is one
function M.send(server, message)
  local id = not message.notification and crypto.uuid() or nil
  local headers = headers_of(server)
  for name, value in pairs(message.headers) do
    headers[name] = value
  end
  local left = math.max(message.ends - time.mono_ms(), 1)
  local stream <close>, err = http.stream({
    method = "POST",
    url = server.url,
    headers = headers,
    body = json.encode({
      jsonrpc = "2.0",
      id = id,
      method = message.method,
      params = message.params,
    }),
    timeout_ms = left,
    idle_ms = math.min(left, IDLE_MAX),
    max_bytes = BODY_MAX,
  })
  if not stream then
    return no_answer(err.code)
  elseif not id then
    return { status = stream:status(), headers = stream:headers() }
  end
  return read(stream, id, message.ends)
end

return M
