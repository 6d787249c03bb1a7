--- What the rest of the scripts expects of the policies: for each function an
--- example of a call and what it must return. Checked whenever scripts are
--- loaded, so that a policy that breaks its contract is refused then and never
--- met by a request. A new policy function is a line here.

local context_spec = require "lib.context_spec"
local conversations = require "tide.messages"

local M = {}

---@alias Expectation string|fun(result: any): string|nil
--- A type name, several joined by "|", or a function that returns what is
--- wrong.

---@class Contract
---@field args any[] of the example call
---@field returns Expectation

---@param allowed string[]
---@return fun(result: any): string|nil
local function one_of(allowed)
  return function(result)
    for _, value in ipairs(allowed) do
      if result == value then
        return nil
      end
    end
    return ("must return one of %s, not %s"):format(
      table.concat(allowed, ", "),
      tostring(result)
    )
  end
end

--- Messages as a model gets them.
---@param result any
---@return string|nil
local function messages(result)
  if type(result) == "userdata" then
    return #result == 0 and "must return messages" or nil
  elseif type(result) ~= "table" or #result == 0 then
    return "must return a list of messages"
  end
  for i, message in ipairs(result) do
    if
      type(message) ~= "table"
      or type(message.role) ~= "string"
      or type(message.content) ~= "string"
    then
      return ("message %d must have role and content"):format(i)
    end
  end
  return nil
end

--- Whom to ask, of two candidates.
---@param result any
---@return string|nil
local function retry_plan(result)
  local steps = type(result) == "table" and result.steps
  if type(steps) ~= "table" or #steps == 0 then
    return "must return a table with a list of steps"
  end
  for i, step in ipairs(steps) do
    if
      type(step) ~= "table"
      or math.type(step.candidate) ~= "integer"
      or step.candidate < 1
      or step.candidate > 2
      or math.type(step.wait) ~= "integer"
      or step.wait < 0
    then
      return ("step %d must have candidate and wait"):format(i)
    end
  end
  return nil
end

local PERSONAS = { { name = "A", content = "You are A." } }
local ROWS = {
  { role = "user", content = "one" },
  { role = "assistant", content = "two" },
}

---@type table<string, table<string, Contract>>
M.policies = {
  ["policy.title"] = {
    placeholder = { args = { "demo", "en" }, returns = "string" },
    from_message = { args = { "Hello, sea" }, returns = "string" },
    question = { args = { "Hello", "Hi" }, returns = messages },
    from_answer = { args = { '"The sea"' }, returns = "string" },
  },
  ["policy.context"] = {
    rows_needed = { args = { 10 }, returns = "number" },
    build = {
      args = {
        context_spec.of({
          system = "Be brief.",
          history = conversations.new(ROWS),
          message = "three",
          pairs = 10,
        }),
      },
      returns = messages,
    },
  },
  ["policy.persona"] = {
    find = { args = { PERSONAS, "A" }, returns = "table" },
    known = { args = { PERSONAS, "A" }, returns = "boolean" },
    choose = { args = { PERSONAS, nil, nil }, returns = "table" },
    names = { args = { PERSONAS }, returns = "table" },
  },
  ["policy.disconnect"] = {
    choose = {
      args = {
        {
          user_id = 1,
          session_id = "session_1",
          model_name = "demo",
          provider = "demo",
          stream = true,
        },
      },
      returns = one_of({ "detach", "cancel" }),
    },
  },
  ["policy.upstream"] = {
    order = { args = { 2, "spread", 0.5 }, returns = "table" },
    plan = {
      args = {
        2,
        {
          balance = "first",
          retries = 1,
          retry_wait = 10,
          retry_after_max = 10,
          retry_after_send = false,
        },
        0.5,
      },
      returns = retry_plan,
    },
  },
  ["policy.login"] = {
    wait = { args = { "pair", 11 }, returns = "number" },
  },
  ["policy.quota"] = {
    decide = {
      args = {
        {
          user_id = 1,
          model_name = "demo",
          requests_this_minute = 3,
          tokens_today = 10,
          minute_ends_in = 30,
          requests_at_once = 1,
          burst_ends_in = 10,
          day_ends_in = 600,
        },
        { requests_per_minute = 2, burst = 1, tokens_per_day = 100 },
      },
      returns = "number",
    },
  },
  ["policy.files"] = {
    readable = { args = { ".md", {} }, returns = "boolean" },
    allowed = { args = { ".md", {} }, returns = "boolean" },
    is_image = { args = { ".png" }, returns = "boolean" },
    content = { args = { "Read", nil }, returns = "string|table" },
  },
}

---@param result any
---@param returns Expectation
---@return string|nil wrong
local function judge(result, returns)
  if type(returns) == "function" then
    return returns(result)
  end
  for name in returns:gmatch("[^|]+") do
    if type(result) == name then
      return nil
    end
  end
  return ("must return a %s, not a %s"):format(returns, type(result))
end

---@param func any what the policy has under that name
---@param contract Contract
---@return string|nil wrong
local function check_function(func, contract)
  if type(func) ~= "function" then
    return ("must be a function, not a %s"):format(type(func))
  end
  local called, result = pcall(func, table.unpack(contract.args, 1, 3))
  if not called then
    return ("fails: %s"):format(tostring(result))
  end
  return judge(result, contract.returns)
end

--- What is wrong with one policy.
---@param name string of its module
---@param policy any
---@return {message: string, at?: function}[]
function M.check_policy(name, policy)
  local wrong = {}
  local file = name:gsub("%.", "/") .. ".lua"
  if type(policy) ~= "table" then
    return { { message = file .. ":1: must return a table of functions" } }
  end
  for function_name, contract in pairs(M.policies[name]) do
    local func = policy[function_name]
    local text = check_function(func, contract)
    if text then
      local is_function = type(func) == "function"
      wrong[#wrong + 1] = {
        message = ("%s%s %s"):format(
          is_function and "" or file .. ":1: ",
          function_name,
          text
        ),
        at = is_function and func or nil,
      }
    end
  end
  return wrong
end

--- The self test of all policies.
---@return {message: string, at?: function}[]
function M.check()
  local wrong = {}
  for name in pairs(M.policies) do
    for _, problem in ipairs(M.check_policy(name, require(name))) do
      wrong[#wrong + 1] = problem
    end
  end
  table.sort(wrong, function(a, b)
    return a.message < b.message
  end)
  return wrong
end

return M
