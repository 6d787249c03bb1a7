--- What handlers and hooks return, as far as their source says it: a text in
--- place of an answer, a field that no answer has, an error code that is not in
--- the error table. `tidetalk check` warns of it, with the line; it would
--- otherwise be met by a request.

local errors = require "lib.errors"
local hooks = require "hooks"
local scripts = require "tide.scripts"

local M = {}

--- The fields of an answer (types/request.lua).
M.RESPONSE_FIELDS = {
  "status", "json", "body", "content_type", "headers", "stream", "chunks",
  "events", "file", "redirect", "cookies", "openai", "after",
}

---@class ReturnRule
---@field first string types that the first value may have, joined by "|"
---@field fields? string[] that a table may have
---@field err? boolean the second value is an error

local ANSWER = "table|nil"

--- What only these hooks may return: an answer in place of the model's.
local TURN_ANSWER = { "answer", "reasoning", "finish_reason" }

---@type table<string, ReturnRule>
M.HOOKS = {
  on_request = { first = ANSWER, fields = M.RESPONSE_FIELDS, err = true },
  on_response = { first = ANSWER, fields = M.RESPONSE_FIELDS, err = true },
  quota = { first = "number|nil" },
  on_login = { first = "nil", err = true },
  before_turn = { first = ANSWER, fields = TURN_ANSWER, err = true },
  before_llm = { first = ANSWER, fields = TURN_ANSWER, err = true },
  on_delta = { first = "nil" },
}

---@type ReturnRule
local HANDLER = { first = ANSWER, fields = M.RESPONSE_FIELDS, err = true }

---@param list string[]
---@param wanted string
---@return boolean
local function contains(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then
      return true
    end
  end
  return false
end

---@param value tide.ReturnedValue|nil
---@param types string
---@return boolean
local function fits(value, types)
  local name = value and value.type or "nil"
  local listed = ("|" .. types .. "|"):find("|" .. name .. "|", 1, true)
  return name == "other" or listed ~= nil
end

--- What is wrong with an error, the second value.
---@param value tide.ReturnedValue
---@return string|nil wrong, string|nil code
local function of_error(value)
  if not fits(value, "table|nil") then
    return ("the error is a %s, not a table: use lib.errors"):format(
      value.type), "wrong_return"
  end
  local code = value.texts and value.texts.code
  if code and not errors.all[code] then
    return ("'%s' is not in the error table (lib/errors_of/, or `errors` of a "
      .. "plugin)"):format(code), "unknown_error_code"
  end
end

--- What is wrong with one `return`.
---@param what string "the handler"
---@param rule ReturnRule
---@param values tide.Return
---@return string|nil wrong, string|nil code
local function of_return(what, rule, values)
  local first, second = values[1], values[2]
  if not fits(first, rule.first) then
    return ("%s returns a %s"):format(what, first and first.type or "nil"),
      "wrong_return"
  end
  for _, key in ipairs(rule.fields and first and first.keys or {}) do
    if not contains(rule.fields, key) then
      return ("an answer has no field '%s', there are %s"):format(
        key, table.concat(rule.fields, ", ")), "unknown_response_field"
    end
  end
  if rule.err and second then
    return of_error(second)
  end
end

---@param advice Advice[] added to
---@param what string
---@param rule ReturnRule
---@param fn function
local function check_function(advice, what, rule, fn)
  local returns = scripts.returns(fn)
  for _, values in ipairs(returns) do
    local wrong, code = of_return(what, rule, values)
    if wrong then
      advice[#advice + 1] = {
        message = ("%s:%d: %s"):format(returns.file, values.line, wrong),
        code = code,
      }
    end
  end
end

---@param advice Advice[] added to
local function check_codes(advice)
  for _, call in ipairs(scripts.calls("lib.errors", "new")) do
    if not errors.all[call.text] then
      advice[#advice + 1] = {
        message = ("%s:%d: '%s' is not in the error table"):format(
          call.file, call.line, call.text),
        code = "unknown_error_code",
      }
    end
  end
end

---@param routes tide.Route[]
---@return Advice[]
function M.advice(routes)
  local advice = {}
  for _, route in ipairs(routes) do
    check_function(advice, "the handler", HANDLER, route.handler)
  end
  for _, part in ipairs(hooks.parts) do
    for name, rule in pairs(M.HOOKS) do
      local hook = part[name]
      if hook then
        local run = type(hook) == "table" and hook.run or hook
        check_function(advice, name, rule, run)
      end
    end
  end
  check_codes(advice)
  return advice
end

return M
