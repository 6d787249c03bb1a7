--- The tools of this server: those of tools.lua and of plugins. Models call
--- them within a reply (chat/tool_loop.lua).

local json = require "tide.json"
local log = require "tide.log"
local time_limit = require "lib.time_limit"

local M = {}

--- Of OpenAI's functions.
local NAME = "^[A-Za-z0-9_-]+$"
local NAME_MAX = 64

--- ms that a tool may take unless it says otherwise, and at most.
local TIMEOUT = 30000
local TIMEOUT_MAX = 600000

---@class ToolSet
---@field tools table<string, tide.Tool>
---@field definitions table[] as OpenAI has them, sorted by name
---@field sources ToolSource[] of tools that depend on the turn

---@class ToolSource
---@field owner string
---@field list fun(turn: tide.Turn): table<string, tide.Tool>|nil, any

---@param name any
---@param tool any
---@return string|nil wrong
local function problem_of(name, tool)
  if type(name) ~= "string" or #name > NAME_MAX or not name:find(NAME) then
    return "its name must have letters, digits, _ and -, at most 64"
  elseif type(tool) ~= "table" then
    return "it is a " .. type(tool) .. ", not a table"
  elseif type(tool.description) ~= "string" or tool.description == "" then
    return "it needs a description, by which a model chooses it"
  elseif type(tool.run) ~= "function" then
    return "it needs a function 'run'"
  elseif tool.parameters ~= nil and type(tool.parameters) ~= "table" then
    return "'parameters' must be a JSON schema of an object"
  end
  local approve = tool.approve
  if
    approve ~= nil
    and approve ~= "never"
    and approve ~= "ask"
    and type(approve) ~= "function"
  then
    return "'approve' must be \"never\", \"ask\" or a function"
  end
  local timeout = tool.timeout
  if
    timeout ~= nil
    and (type(timeout) ~= "number" or timeout <= 0 or timeout > TIMEOUT_MAX)
  then
    return ("'timeout' must be 1 to %d ms"):format(TIMEOUT_MAX)
  end
  return nil
end

--- What is wrong with a table of tools.
---@param tools table<string, tide.Tool>
---@return string[] problems
function M.problems(tools)
  local problems = {}
  for name, tool in pairs(tools) do
    local wrong = problem_of(name, tool)
    if wrong then
      problems[#problems + 1] = ("tool %s: %s"):format(tostring(name), wrong)
    end
  end
  table.sort(problems)
  return problems
end

--- Adds a tool, unless something is wrong with it.
---@param set ToolSet changed
---@param name string
---@param tool tide.Tool
---@return string|nil wrong
local function add_one(set, name, tool)
  local wrong = problem_of(name, tool)
  if wrong then
    return ("tool %s: %s"):format(tostring(name), wrong)
  elseif set.tools[name] then
    return ("tool %s is there twice"):format(name)
  end
  set.tools[name] = tool
  set.definitions[#set.definitions + 1] = {
    type = "function",
    ["function"] = {
      name = name,
      description = tool.description,
      parameters = tool.parameters
        or { type = "object", properties = json.raw("{}") },
    },
  }
end

---@param set ToolSet changed
local function sort(set)
  table.sort(set.definitions, function(a, b)
    return a["function"].name < b["function"].name
  end)
end

---@param set ToolSet changed
---@param tools table<string, tide.Tool>
local function add(set, tools)
  local problems = M.problems(tools)
  if #problems > 0 then
    error(problems[1], 0)
  end
  for name, tool in pairs(tools) do
    local wrong = add_one(set, name, tool)
    if wrong then
      error(wrong, 0)
    end
  end
  sort(set)
end

--- One set of the tables of tools/. Raises when something is wrong with one.
---@param parts table<string, tide.Tool>[]
---@return ToolSet
function M.join(parts)
  local set = { tools = {}, definitions = json.array({}), sources = {} }
  for _, tools in ipairs(parts) do
    add(set, tools)
  end
  return set
end

--- Adds the tools of plugins.
---@param set ToolSet of M.join, changed
---@param tools table<string, tide.Tool>
function M.extend(set, tools)
  add(set, tools)
end

--- Adds a function that says which tools a turn has.
---@param set ToolSet of M.join, changed
---@param owner string the plugin's name
---@param list fun(turn: tide.Turn): table<string, tide.Tool>|nil, any
function M.add_source(set, owner, list)
  set.sources[#set.sources + 1] = { owner = owner, list = list }
end

--- Whether a turn may have tools.
---@param set ToolSet
---@return boolean
function M.has_any(set)
  return #set.definitions > 0 or #set.sources > 0
end

--- What a source has for a turn; a source that fails has nothing.
---@async
---@param source ToolSource
---@param turn tide.Turn
---@return table<string, tide.Tool>
local function ask_source(source, turn)
  local how, found, err = time_limit.call(TIMEOUT, source.list, turn)
  if how == "returned" and type(found) == "table" then
    return found
  end
  local why = how == "cancelled" and "it took too long"
    or how == "failed" and tostring(found)
    or err and tostring(type(err) == "table" and err.code or err)
    or "it returned a " .. type(found) .. ", not a table"
  log.error("tools failed", { plugin = source.owner, error = why })
  return {}
end

--- The tools that a turn has: those that are always there, and those that
--- functions have for it. A tool with something wrong, or with a name that is
--- taken, is left out.
---@async
---@param set ToolSet
---@param turn tide.Turn
---@return ToolSet
function M.of_turn(set, turn)
  if #set.sources == 0 then
    return set
  end
  local own = { tools = {}, definitions = json.array({}), sources = {} }
  for name, tool in pairs(set.tools) do
    own.tools[name] = tool
  end
  table.move(set.definitions, 1, #set.definitions, 1, own.definitions)
  for _, source in ipairs(set.sources) do
    for name, tool in pairs(ask_source(source, turn)) do
      local wrong = add_one(own, name, tool)
      if wrong then
        log.error("tools failed", { plugin = source.owner, error = wrong })
      end
    end
  end
  sort(own)
  return own
end

local NOBODY_TO_ASK = "This call needs a person's consent, and nobody can be "
  .. "asked for it here."

--- A tool that runs without asking anybody, where it may.
---@param tool tide.Tool
---@return tide.Tool
local function unasked(tool)
  local approve = tool.approve
  if not approve or approve == "never" then
    return tool
  end
  return {
    description = tool.description,
    parameters = tool.parameters,
    timeout = tool.timeout,
    run = function(args, turn)
      if approve == "ask" or approve(args, turn) == true then
        return nil, NOBODY_TO_ASK
      end
      return tool.run(args, turn)
    end,
  }
end

---@param tools table<string, tide.Tool>
---@return table<string, tide.Tool>
local function all_unasked(tools)
  local all = {}
  for name, tool in pairs(tools) do
    all[name] = type(tool) == "table" and unasked(tool) or tool
  end
  return all
end

--- The same tools where nobody can be asked: a call that needs a consent does
--- not run, and the model is told so.
---@param set ToolSet
---@return ToolSet
function M.without_approval(set)
  local sources = {}
  for i, source in ipairs(set.sources) do
    sources[i] = {
      owner = source.owner,
      list = function(turn)
        local found, err = source.list(turn)
        return found and all_unasked(found), err
      end,
    }
  end
  return {
    tools = all_unasked(set.tools),
    definitions = set.definitions,
    sources = sources,
  }
end

---@param tool tide.Tool
---@return integer ms
function M.timeout_of(tool)
  return math.tointeger(tool.timeout or TIMEOUT) or TIMEOUT
end

return M
