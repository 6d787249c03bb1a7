--- What a model is asked with beside the messages: how freely, how long, how
--- much thought, and members of the body that only some services know. A
--- configuration, a session and a request may have such options; the later of
--- these has the last word. Pure, but for the texts of refusals.

local errors = require "lib.errors"
local json = require "tide.json"
local texts = require "lib.texts"

local M = {}

---@class ModelOptions
---@field temperature? number
---@field max_tokens? integer
---@field thinking? ModelThinking
---@field extra_body? table<string, any> members of the upstream's body
---@field deadlines? ApiDeadlines of a session or a request: a configuration
--- has its own beside its options

---@class ModelThinking one of the two, or both
---@field effort? "none"|"minimal"|"low"|"medium"|"high"|"xhigh"|"max"
---@field budget? integer tokens

--- Bytes of JSON.
local BYTES_MAX = 16384

local TEMPERATURE_MAX = 2

--- Members of a body that are not the options' to set.
local OURS = {
  model = true,
  messages = true,
  contents = true,
  stream = true,
}

local EFFORTS = { "none", "minimal", "low", "medium", "high", "xhigh", "max" }

--- ms; an hour for a step, a day for all of a call.
local STEP_MAX = 3600000
local TOTAL_MAX = 86400000

--- A deadline in ms; 0 is the server's setting.
---@param name string
---@param max integer
---@return Schema
local function deadline(name, max)
  return { name = name, type = "integer", min = 0, max = max }
end

---@return Schema
function M.deadlines_field()
  return {
    name = "deadlines",
    type = "object",
    fields = {
      deadline("connect", STEP_MAX),
      deadline("first_byte", STEP_MAX),
      deadline("between", STEP_MAX),
      deadline("total", TOTAL_MAX),
    },
  }
end

--- The field `options` of a request.
---@param ... Schema further options
---@return Schema
function M.field(...)
  return {
    name = "options",
    type = "object",
    fields = {
      { name = "temperature", type = "json", doc = "number, 0 to 2" },
      { name = "max_tokens", type = "integer", min = 1, max = 10000000 },
      {
        name = "thinking",
        type = "object",
        fields = {
          { name = "effort", type = "string", enum = EFFORTS },
          { name = "budget", type = "integer", min = 0, max = 10000000 },
        },
      },
      { name = "extra_body", type = "object", open = true, fields = {} },
      ...,
    },
  }
end

---@param field string
---@param language "zh"|"en"
---@param reason string a key of lib/texts
---@param args? table
---@return nil, tide.Error
local function invalid(field, language, reason, args)
  return nil,
    errors.new("invalid_field", {
      field = field,
      reason = texts.get(language, reason, args),
    })
end

--- The options of a request's field.
---@param given table checked by M.field
---@param language "zh"|"en"
---@return ModelOptions|nil options, tide.Error|nil err invalid_field
function M.read(given, language)
  local options = {}
  for name, value in pairs(given) do
    options[name] = value
  end
  if given.temperature ~= nil then
    local number = given.temperature
    if json.is_raw(number) then
      number = json.decode(number)
    end
    if type(number) ~= "number" then
      return invalid("options.temperature", language, "must_be_number")
    elseif number < 0 or number > TEMPERATURE_MAX then
      local reason = number < 0 and "too_small" or "too_large"
      return invalid("options.temperature", language, reason, {
        limit = number < 0 and 0 or TEMPERATURE_MAX,
      })
    end
    options.temperature = number
  end
  for name in pairs(given.extra_body or {}) do
    if OURS[name] then
      return invalid("options.extra_body." .. name, language, "set_elsewhere")
    end
  end
  if #json.encode(options) > BYTES_MAX then
    return invalid("options", language, "too_many_bytes", { limit = BYTES_MAX })
  end
  return options
end

--- Stored options; nil when there are none.
---@param text string|nil JSON
---@return ModelOptions|nil
function M.stored(text)
  if not text or text == "" or text == "{}" then
    return nil
  end
  return (json.decode(text))
end

--- Tables of an object and of one that is laid over it: objects within them
--- likewise, everything else is that of the upper one.
---@param lower table<string, any>
---@param upper table<string, any>
---@return table<string, any> both a new table
local function overlay(lower, upper)
  local both = {}
  for name, value in pairs(lower) do
    both[name] = value
  end
  for name, value in pairs(upper) do
    local under = both[name]
    if
      type(under) == "table"
      and type(value) == "table"
      and not json.is_array(under)
      and not json.is_array(value)
    then
      value = overlay(under, value)
    end
    both[name] = value
  end
  return both
end

--- Options over others, which they replace one by one.
---@param lower ModelOptions|nil
---@param upper ModelOptions|nil
---@return ModelOptions|nil
function M.merge(lower, upper)
  if not lower or not upper then
    return upper or lower
  end
  local merged = overlay(lower, upper)
  merged.thinking = upper.thinking or lower.thinking -- as a whole
  return merged
end

--- Puts members into a body, but for those that the request itself has: a
--- client that names them means it.
---@param body table|tide.Raw
---@param members table<string, any>
---@param given table<string, any>|nil what a client has named
---@return table|tide.Raw body
function M.splice(body, members, given)
  local raw = json.is_raw(body)
  local new = {}
  for name, value in pairs(members) do
    local named
    if raw then
      named = body:members(name)
    elseif given then
      named = given[name]
    end
    if named == nil then
      new[name] = value
    end
  end
  if raw then
    return next(new) and body:with(new) or body
  end
  return overlay(body, new)
end

return M
