--- What the table that a plugin returns may hold, with types. Unknown members
--- are refused, because a misspelt one would silently do nothing.

local contracts = require "checks.contracts"
local hooks = require "lib.hooks"
local scripts = require "tide.scripts"

local M = {}

--- How a value must look: `types` (names joined by "|"); of a table also
--- `fields` (its members by name), `each` (all members have this shape, their
--- names are in `known` or fit `names`), or `list` (of items of this shape).
---@class PluginShape
---@field types string
---@field required? boolean
---@field fields? table<string, PluginShape>
---@field each? PluginShape
---@field known? table<string, any>
---@field names? string pattern of names
---@field list? PluginShape

---@type PluginShape
local SETTING = {
  types = "table",
  fields = {
    type = { types = "string", required = true },
    default = { types = "string|number|boolean|table" },
    required = { types = "boolean" },
    min = { types = "integer" },
    max = { types = "integer" },
    choices = { types = "table", list = { types = "string" } },
    help = { types = "string" },
  },
}

---@type PluginShape
local TOOL = {
  types = "table",
  fields = {
    description = { types = "string", required = true },
    parameters = { types = "table", required = true },
    run = { types = "function", required = true },
    approve = { types = "string|function" },
    timeout = { types = "integer" },
    idempotent = { types = "boolean" },
  },
}

---@type PluginShape
local ERROR = {
  types = "table",
  fields = {
    status = { types = "integer", required = true },
    en = { types = "string", required = true },
    zh = { types = "string", required = true },
    retry = { types = "boolean" },
  },
}

---@type PluginShape
local TIMER = {
  types = "table",
  fields = {
    every = { types = "integer" },
    cron = { types = "string" },
    zone = { types = "string" },
    first = { types = "string" },
    nodes = { types = "string" },
    run = { types = "function", required = true },
  },
}

---@type PluginShape
local QUEUE = {
  types = "table",
  fields = {
    run = { types = "function", required = true },
    concurrency = { types = "integer" },
    user_concurrency = { types = "integer" },
    attempts = { types = "integer" },
    backoff = { types = "integer|function" },
    timeout = { types = "integer" },
    backlog = { types = "integer" },
    user_backlog = { types = "integer" },
  },
}

---@type PluginShape
local HOOK = {
  types = "function|table",
  fields = {
    run = { types = "function", required = true },
    required = { types = "boolean" },
  },
}

local IDENTIFIER = "^[%a_][%w_]*$"

--- "policy.title" -> "title"
local policies = {}
for module in pairs(contracts.policies) do
  policies[module:match("^policy%.(.+)$")] = module
end

M.policies = policies

---@type PluginShape
M.plugin = {
  types = "table",
  fields = {
    api = { types = "integer", required = true },
    version = { types = "string" },
    order = { types = "number" },
    requires = { types = "table", list = { types = "string" } },
    routes = { types = "table", list = { types = "table" } },
    static = {
      types = "table",
      fields = {
        path = { types = "string", required = true },
        auth = { types = "string" },
      },
    },
    hooks = {
      types = "table",
      each = HOOK,
      known = hooks.joiners,
    },
    tools = { types = "table|function", each = TOOL, names = "^[%w_-]+$" },
    errors = { types = "table", each = ERROR, names = "^[a-z][a-z0-9_]*$" },
    providers = {
      types = "table",
      each = { types = "table" },
      names = "^[%w_.-]+$",
    },
    policies = {
      types = "table",
      each = {
        types = "table",
        each = { types = "function" },
        names = IDENTIFIER,
      },
      known = policies,
    },
    timers = { types = "table", each = TIMER, names = "^[%w_.-]+$" },
    queues = { types = "table", each = QUEUE, names = "^[%w_.-]+$" },
    settings = { types = "table", each = SETTING, names = "^[a-z][a-z0-9_]*$" },
  },
}

---@param value any
---@param types string
---@return boolean
local function is_of(value, types)
  for name in types:gmatch("[^|]+") do
    if
      type(value) == name
      or name == "integer" and math.type(value) == "integer"
    then
      return true
    end
  end
  return false
end

---@param types string
---@return string "an integer or a string"
local function with_articles(types)
  local text = types:gsub("[^|]+", function(name)
    return (name:find("^[aeiou]") and "an " or "a ") .. name
  end)
  return (text:gsub("|", " or "))
end

---@param value any
---@param types string
---@return string
local function wrong_type(value, types)
  return ("must be %s, not %s"):format(
    with_articles(types),
    with_articles(math.type(value) or type(value))
  )
end

local function by_text(a, b)
  return tostring(a) < tostring(b)
end

--- In the order of their texts. Nearly always all of them are strings, which
--- are sorted without a call for each comparison.
---@param t table
---@return string[]
local function sorted_keys(t)
  local keys, order = {}, nil
  for key in pairs(t) do
    keys[#keys + 1] = key
    if type(key) ~= "string" then
      order = by_text
    end
  end
  if #keys > 1 then
    table.sort(keys, order)
  end
  return keys
end

M.sorted_keys = sorted_keys

---@class PluginCheck
---@field file string
---@field problems string[] added to

--- Adds a problem at the member with these names, "file:line: message".
---@param file string
---@param names string[] as they are nested
---@param message string
---@return string
function M.place(file, names, message)
  local line = scripts.line_of(file, table.unpack(names))
  return ("%s:%d: %s"):format(file, line, message)
end

local check

---@param names string[]
---@param name string
---@return string[]
local function below(names, name)
  local longer = table.move(names, 1, #names, 1, {})
  longer[#longer + 1] = name
  return longer
end

---@param run PluginCheck
---@param names string[]
---@param message string
local function add(run, names, message)
  local shown = #names > 0 and "'" .. table.concat(names, ".") .. "' " or ""
  run.problems[#run.problems + 1] = M.place(run.file, names, shown .. message)
end

---@param run PluginCheck
---@param value table
---@param shape PluginShape
---@param names string[]
local function check_fields(run, value, shape, names)
  for _, key in ipairs(sorted_keys(value)) do
    local field = shape.fields[key]
    if field then
      check(run, value[key], field, below(names, key))
    else
      add(run, below(names, tostring(key)), "is no member; there are "
        .. table.concat(sorted_keys(shape.fields), ", "))
    end
  end
  local missing = {}
  for key, field in pairs(shape.fields) do
    if field.required and value[key] == nil then
      missing[key] = true
    end
  end
  for _, key in ipairs(sorted_keys(missing)) do
    add(run, names, ("needs '%s'"):format(key))
  end
end

---@param shape PluginShape
---@param key any
---@return string|nil wrong
local function name_problem(shape, key)
  if type(key) ~= "string" then
    return "is no name"
  elseif shape.known and shape.known[key] == nil then
    return "is unknown; there are "
      .. table.concat(sorted_keys(shape.known), ", ")
  elseif shape.names and not key:find(shape.names) then
    return "has characters that are not allowed there"
  end
end

---@param run PluginCheck
---@param value table
---@param shape PluginShape
---@param names string[]
local function check_each(run, value, shape, names)
  for _, key in ipairs(sorted_keys(value)) do
    local place = below(names, tostring(key))
    local wrong = name_problem(shape, key)
    if wrong then
      add(run, place, wrong)
    else
      check(run, value[key], shape.each, place)
    end
  end
end

---@param run PluginCheck
---@param value table
---@param shape PluginShape
---@param names string[]
local function check_list(run, value, shape, names)
  for key, item in pairs(value) do
    if math.type(key) ~= "integer" or key < 1 or key > #value then
      add(run, names, ("must be a list; it has the key '%s'"):format(key))
      return
    elseif not is_of(item, shape.list.types) then
      add(run, names, ("item %d "):format(key)
        .. wrong_type(item, shape.list.types))
    end
  end
end

function check(run, value, shape, names)
  if not is_of(value, shape.types) then
    add(run, names, wrong_type(value, shape.types))
  elseif type(value) ~= "table" then
    return
  elseif shape.fields then
    check_fields(run, value, shape, names)
  elseif shape.each then
    check_each(run, value, shape, names)
  elseif shape.list then
    check_list(run, value, shape, names)
  end
end

--- What is wrong with the table that a plugin returns.
---@param file string "plugins/weather/plugin.lua"
---@param value any
---@return string[] problems "file:line: what"
function M.problems(file, value)
  local run = { file = file, problems = {} }
  check(run, value, M.plugin, {})
  if #run.problems == 0 and value.api ~= 1 then
    add(run, { "api" }, ("is %d; this server has the API 1"):format(value.api))
  end
  return run.problems
end

return M
