--- The queues of this generation: what queue.define and plugins declare.

local M = {}

---@class Queue
---@field run fun(job: tide.Job): any, any
---@field concurrency integer
---@field user_concurrency integer
---@field attempts integer
---@field backoff integer|fun(attempt: integer): integer
---@field timeout integer
---@field backlog integer
---@field user_backlog integer

---@type table<string, Queue>
local queues = {}

local NAME = "^[%w_.-]+$"
local NAME_MAX = 64

--- An hour, as timer.after can wait.
local TIMEOUT_MAX = 3600000

---@param value any
---@return boolean
local function is_backoff(value)
  return type(value) == "function"
    or math.type(value) == "integer" and value >= 0
end

---@param least integer
---@param most integer
---@return fun(value: any): boolean
---@return string
local function integer(least, most)
  return function(value)
    return math.type(value) == "integer" and value >= least and value <= most
  end, ("an integer from %d to %d"):format(least, most)
end

--- Field -> { check, what it must be }
local FIELDS = {
  run = {
    function(value)
      return type(value) == "function"
    end,
    "a function",
  },
  concurrency = { integer(1, 32) },
  user_concurrency = { integer(1, 32) },
  attempts = { integer(1, 100) },
  backoff = { is_backoff, "milliseconds, or a function" },
  timeout = { integer(1, TIMEOUT_MAX) },
  backlog = { integer(1, 1000000) },
  user_backlog = { integer(1, 100000) },
}

---@param name any
---@param spec any
---@return string|nil wrong
local function problem_of(name, spec)
  if type(name) ~= "string" or #name > NAME_MAX or not name:find(NAME) then
    return "its name must have letters, digits, _, . and -, at most 64"
  elseif queues[name] then
    return "it is declared twice"
  elseif type(spec) ~= "table" or spec.run == nil then
    return "it needs a function 'run'"
  end
  for field, value in pairs(spec) do
    local check = FIELDS[field]
    if not check then
      return ("there is no field '%s'"):format(tostring(field))
    elseif not check[1](value) then
      return ("'%s' must be %s"):format(field, check[2])
    end
  end
  return nil
end

--- Declares a queue. Raises when something is wrong with it.
---@param name string
---@param spec tide.QueueSpec
function M.define(name, spec)
  local wrong = problem_of(name, spec)
  if wrong then
    error(("the queue '%s': %s"):format(tostring(name), wrong), 0)
  end
  local concurrency = spec.concurrency or 4
  local backlog = spec.backlog or 10000
  queues[name] = {
    run = spec.run,
    concurrency = concurrency,
    user_concurrency = spec.user_concurrency or math.max(1, concurrency // 2),
    attempts = spec.attempts or 5,
    backoff = spec.backoff or 1000,
    timeout = spec.timeout or 60000,
    backlog = backlog,
    user_backlog = spec.user_backlog or math.max(1, backlog // 10),
  }
end

---@param name string
---@return Queue|nil
function M.get(name)
  return queues[name]
end

---@return boolean whether there are queues
function M.any()
  return next(queues) ~= nil
end

---@return string[] names sorted
function M.names()
  local names = {}
  for name in pairs(queues) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

return M
