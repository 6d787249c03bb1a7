--- The tools of a turn: those of all servers of its user.

local config = require "tide.config"
local json = require "tide.json"
local log = require "tide.log"
local protocol = require "mcp.protocol"
local results = require "mcp.results"
local servers = require "mcp.servers"
local task = require "tide.task"
local time = require "tide.time"
local tool_list = require "mcp.tool_list"

local M = {}

--- Tools of one turn: more than 128 are refused by some upstreams.
local TURN_MAX = 128
--- ms for what a call does beside waiting for its server.
local MARGIN = 5000
--- Bytes of an argument in a header.
local HEADER_MAX = 2048

--- Arguments that the server wants in headers too.
---@param tool mcp.ListedTool
---@param args table
---@return table<string, string>
local function headers_of(tool, args)
  local headers = {}
  for _, mirrored in ipairs(tool.mirrored) do
    local value = args
    for _, name in ipairs(mirrored.path) do
      value = type(value) == "table" and value[name] or nil
    end
    local kind = math.type(value) or type(value)
    if kind == "string" or kind == "integer" or kind == "boolean" then
      local written = protocol.header_value(tostring(value))
      if #written <= HEADER_MAX then
        headers[mirrored.name] = written
      end
    end
  end
  return headers
end

--- Calls a tool.
---@async
---@param server mcp.Server
---@param tool mcp.ListedTool
---@param args table
---@param user_id integer
---@return string|nil text
---@return string|nil err
local function call(server, tool, args, user_id)
  local result, problem = protocol.call(server, {
    user_id = user_id,
    method = "tools/call",
    params = {
      name = tool.remote,
      arguments = next(args) == nil and json.raw("{}") or args,
    },
    headers = headers_of(tool, args),
    ends = time.mono_ms() + config.get("plugins.mcp.timeout"),
  })
  if result then
    return results.text(result)
  elseif not problem then
    return nil
  end
  if protocol.is_stale(problem) then
    tool_list.forget(server)
  end
  log.info("mcp: a call failed", {
    server = server.name,
    tool = tool.remote,
    reason = problem.text,
  })
  return nil, ("The server %s failed: %s."):format(server.name, problem.text)
end

---@param server mcp.Server
---@param tool mcp.ListedTool
---@return tide.Tool
local function as_tool(server, tool)
  return {
    description = tool.description,
    parameters = tool.parameters,
    approve = server.approve,
    timeout = config.get("plugins.mcp.timeout") + MARGIN,
    run = function(args, turn)
      return call(server, tool, args, turn.user_id)
    end,
  }
end

--- The tools of a turn. Servers are asked at the same time.
---@async
---@param turn tide.Turn
---@return table<string, tide.Tool>|nil tools
---@return tide.Error|nil err
function M.of_turn(turn)
  local user_id = turn.user_id
  local list, err = servers.of_user(user_id)
  if not list then
    return nil, err
  end
  local asks = {}
  for i, server in ipairs(list) do
    asks[i] = function()
      return (tool_list.get(server, user_id))
    end
  end
  local lists, busy = task.all(asks)
  if not lists then
    return nil, busy
  end
  local found, count = {}, 0
  for i, server in ipairs(list) do
    for _, tool in ipairs(lists[i]) do
      count = count + 1
      if count <= TURN_MAX then
        found[tool.name] = as_tool(server, tool)
      end
    end
  end
  if count > TURN_MAX then
    log.warn("mcp: tools are left out", {
      user_id = user_id,
      count = count - TURN_MAX,
    })
  end
  return found
end

return M
