--- What is spoken with a server. Since revision 2026-07-28 each request stands
--- for itself; before it a client says hello (`initialize`) and may get a
--- session. Which it is, the server's answers tell: it is asked in the new way
--- first. That is remembered, and found out again when it stops to be true.

local crypto = require "tide.crypto"
local http = require "mcp.http"
local json = require "tide.json"
local shared = require "tide.shared"
local time = require "tide.time"

local M = {}

local MODERN = "2026-07-28"
--- What is offered to a server that wants a hello, and what it may choose.
local OFFERED = "2025-11-25"
local WITH_HELLO = {
  ["2025-11-25"] = true,
  ["2025-06-18"] = true,
  ["2025-03-26"] = true,
}

local CLIENT = { name = "tidetalk", version = "1" }
local EMPTY = json.raw("{}")

--- JSON-RPC errors that only a server of the new kind has.
local HEADER_MISMATCH = -32020
local MISSING_CAPABILITY = -32021
local UNSUPPORTED_VERSION = -32022
--- One that servers of both kinds have.
local METHOD_NOT_FOUND = -32601

--- How long things are remembered, in ms.
local KIND_TTL = 24 * 3600 * 1000
local SESSION_TTL = 30 * 60 * 1000
--- Characters of a session's id.
local SESSION_MAX = 1024

local remembered = shared.dict("mcp")

---@class mcp.Call
---@field user_id integer whose session it is, with a server that has sessions
---@field method string
---@field params? table
---@field headers? table<string, string> only for servers of the new kind
---@field ends integer when the time is over, of time.mono_ms

--- A text as a header's value.
---@param value string
---@return string
function M.header_value(value)
  local plain = value:find("^[\x21-\x7e][\x20-\x7e]*$")
    and not value:find(" $")
    and not value:find("^=%?base64%?.*%?=$")
  if plain then
    return value
  end
  return "=?base64?" .. crypto.base64_encode(value) .. "?="
end

---@async
---@param server mcp.Server
---@param call mcp.Call
---@return mcp.Answer
local function ask_modern(server, call)
  local params = {}
  for name, value in pairs(call.params or {}) do
    params[name] = value
  end
  params._meta = {
    ["io.modelcontextprotocol/protocolVersion"] = MODERN,
    ["io.modelcontextprotocol/clientInfo"] = CLIENT,
    ["io.modelcontextprotocol/clientCapabilities"] = EMPTY,
  }
  local headers = {
    ["MCP-Protocol-Version"] = MODERN,
    ["Mcp-Method"] = call.method,
  }
  if call.method == "tools/call" then
    headers["Mcp-Name"] = M.header_value(params.name)
  end
  for name, value in pairs(call.headers or {}) do
    headers[name] = value
  end
  return http.send(server, {
    method = call.method,
    params = params,
    headers = headers,
    ends = call.ends,
  })
end

--- Which versions an error of the new kind names.
---@param problem mcp.Problem
---@return boolean with_hello some of them begin with a hello
local function names_older(problem)
  local list = problem.error and problem.error:get("data.supported")
  if not json.is_raw(list) or list:type() ~= "array" then
    return false
  end
  for _, version in list:each() do
    if WITH_HELLO[version] then
      return true
    end
  end
  return false
end

--- Whether an answer to a request of the new kind comes from an older server.
---@param answer mcp.Answer
---@return boolean
local function is_older(answer)
  local problem = answer.problem
  if not problem then
    return answer.result:get("resultType") == nil
  elseif problem.rpc == UNSUPPORTED_VERSION then
    return names_older(problem)
  elseif
    problem.rpc == HEADER_MISMATCH
    or problem.rpc == MISSING_CAPABILITY
    or problem.code
  then
    return false
  end
  local status = problem.status
  return status ~= 401 and status ~= 403 and status ~= 429 and status < 500
end

--- Whether an error of a server that was of the new kind is one of that kind
--- still: errors of what was asked have the status 200.
---@param problem mcp.Problem
---@return boolean
local function is_own(problem)
  return problem.rpc ~= nil
    and (problem.status < 300 or problem.rpc == METHOD_NOT_FOUND)
end

---@param server mcp.Server
---@param user_id integer
---@return string
local function session_key(server, user_id)
  return ("session:%s:%d"):format(server.key, user_id)
end

---@param version string
---@param session string
---@return table<string, string>
local function session_headers(version, session)
  return {
    ["MCP-Protocol-Version"] = version,
    ["Mcp-Session-Id"] = session ~= "" and session or nil,
  }
end

--- Says hello.
---@async
---@param server mcp.Server
---@param call mcp.Call
---@return table<string, string>|nil headers of requests from now on
---@return mcp.Answer answer
local function initialize(server, call)
  local answer = http.send(server, {
    method = "initialize",
    params = {
      protocolVersion = OFFERED,
      capabilities = EMPTY,
      clientInfo = CLIENT,
    },
    headers = {},
    ends = call.ends,
  })
  if answer.problem then
    return nil, answer
  end
  local version = answer.result:get("protocolVersion")
  local session = answer.headers["mcp-session-id"] or ""
  if not WITH_HELLO[version] then
    answer.problem = http.problem("it speaks another version of the protocol")
    return nil, answer
  elseif #session > SESSION_MAX or session:find("[^\x21-\x7e]") then
    answer.problem = http.problem("its session has an id that cannot be used")
    return nil, answer
  end
  local headers = session_headers(version, session)
  local told = http.send(server, {
    method = "notifications/initialized",
    headers = headers,
    ends = call.ends,
    notification = true,
  })
  if told.problem then
    return nil, told
  end
  remembered:set(
    session_key(server, call.user_id),
    version .. " " .. session,
    SESSION_TTL
  )
  return headers, answer
end

--- Asks a server that wants a hello. A session that it has forgotten is begun
--- again, once.
---@async
---@param server mcp.Server
---@param call mcp.Call
---@return mcp.Answer
local function ask_older(server, call)
  local key = session_key(server, call.user_id)
  local kept = remembered:get(key)
  local headers, answer
  if kept then
    local version, session = tostring(kept):match("^(%S+) (.*)$")
    headers = session_headers(version or OFFERED, session or "")
  else
    headers, answer = initialize(server, call)
    if not headers then
      return answer
    end
  end
  answer = http.send(server, {
    method = call.method,
    params = call.params,
    headers = headers,
    ends = call.ends,
  })
  if kept and (answer.status == 404 or answer.status == 400) then
    remembered:delete(key)
    return ask_older(server, call)
  end
  return answer
end

--- Asks a server of which nothing is known, or no more than a day ago.
---@async
---@param server mcp.Server
---@param call mcp.Call
---@param again? boolean
---@return mcp.Answer
local function ask(server, call, again)
  local key = "kind:" .. server.key
  local kind = remembered:get(key)
  if kind == "older" then
    local answer = ask_older(server, call)
    if not again and (answer.status == 404 or answer.status == 400) then
      remembered:delete(key)
      return ask(server, call, true)
    end
    return answer
  end
  local answer = ask_modern(server, call)
  local problem = answer.problem
  if kind == "modern" then
    if again or not problem or not is_older(answer) or is_own(problem) then
      return answer
    end
    remembered:delete(key)
    return ask(server, call, true)
  elseif is_older(answer) then
    local older = ask_older(server, call)
    if not older.problem then
      remembered:set(key, "older", KIND_TTL)
    elseif older.problem.rpc == UNSUPPORTED_VERSION then
      return answer
    end
    return older
  elseif not problem then
    remembered:set(key, "modern", KIND_TTL)
  end
  return answer
end

--- Asks a server for something.
---@async
---@param server mcp.Server
---@param call mcp.Call
---@return tide.Raw|nil result
---@return mcp.Problem|nil problem
function M.call(server, call)
  local answer = ask(server, call)
  if answer.problem then
    return nil, answer.problem
  elseif time.mono_ms() > call.ends then
    return nil, http.problem("it did not answer in time")
  end
  return answer.result
end

--- Whether a server asks for headers that this client did not know of: the
--- tool is another one by now.
---@param problem mcp.Problem
---@return boolean
function M.is_stale(problem)
  return problem.rpc == HEADER_MISMATCH
end

return M
