--- A turn of a conversation as hooks and tools see it (tide.Turn): which fields
--- it has, and which of them may be changed at which moment. Others raise, with
--- the line of who used them. What nobody reads is not made: conversations and
--- rows are read when a hook asks for them.

local hooks = require "hooks"
local near_name = require "lib.near_name"

local M = {}

---@class TurnField
---@field type? string what it may be set to; nil: it cannot be changed
---@field in_before_turn? boolean it may be changed then
---@field in_before_llm? boolean likewise
---@field optional? boolean it may be set to nil

---@type table<string, TurnField>
M.FIELDS = {
  req = {},
  user = {},
  user_id = {},
  session = {},
  session_id = {},
  language = {},
  first = {},
  data = {},
  model_name = { type = "string", in_before_turn = true },
  persona = { type = "string", in_before_turn = true },
  message = { type = "string", in_before_turn = true },
  files = { type = "table", in_before_turn = true },
  options = { type = "table", in_before_turn = true, in_before_llm = true },
  tools = {
    type = "table",
    optional = true,
    in_before_turn = true,
    in_before_llm = true,
  },
  tool_choice = {
    type = "string|table",
    optional = true,
    in_before_turn = true,
    in_before_llm = true,
  },
  messages = { type = "table", in_before_turn = true, in_before_llm = true },
  title = { type = "string", in_before_llm = true },
}

local NAMES = {}
for name in pairs(M.FIELDS) do
  NAMES[#NAMES + 1] = name
end
table.sort(NAMES)

---@param key any
local function raise_unknown(key)
  local near = type(key) == "string" and near_name.find(key, NAMES)
  error(
    ("a turn has no field '%s'%s"):format(
      tostring(key),
      near and (", the nearest one is '%s'"):format(near)
        or "; it has " .. table.concat(NAMES, ", ")
    ),
    3
  )
end

---@class ShownTurn
---@field turn tide.Turn what hooks get
---@field values table<string, any> fields that were given, read or set
---@field lazy table<string, fun(): any> makes a field that somebody reads
---@field fixed table<string, string> field -> why it cannot be changed here
---@field set table<string, boolean> the fields that hooks have set
---@field moment "before_turn"|"before_llm"|"later"

--- Why a field cannot be set to a value now.
---@param shown ShownTurn
---@param key string
---@param value any
---@return string|nil
local function refusal(shown, key, value)
  local field = M.FIELDS[key]
  if shown.fixed[key] then
    return shown.fixed[key]
  elseif not field.type then
    return "cannot be changed"
  elseif not field["in_" .. shown.moment] then
    local moments = field.in_before_turn and "before_turn"
    if field.in_before_llm then
      moments = moments and "before_turn and before_llm" or "before_llm"
    end
    return "can be changed in " .. moments .. " only"
  elseif value == nil and field.optional then
    return nil
  elseif not field.type:find(type(value), 1, true) then
    return ("must be a %s, not a %s"):format(
      field.type:gsub("|", " or a "),
      type(value)
    )
  end
end

--- Whether hooks look at turns.
---@return boolean
function M.is_watched()
  return (
    hooks.before_turn
    or hooks.before_llm
    or hooks.on_delta
    or hooks.after_llm
  ) ~= nil
end

--- Shows a turn.
---@param values table<string, any> its fields, as far as they are known
---@param lazy table<string, fun(): any>
---@param fixed? table<string, string>
---@return ShownTurn
function M.show(values, lazy, fixed)
  values.data = values.data or {}
  local shown = {
    values = values,
    lazy = lazy,
    fixed = fixed or {},
    set = {},
    moment = "before_turn",
  }
  shown.turn = setmetatable({}, {
    __index = function(_, key)
      local value = values[key]
      if value ~= nil then
        return value
      elseif not M.FIELDS[key] then
        raise_unknown(key)
      end
      local make = lazy[key]
      if make then
        values[key] = make()
        lazy[key] = nil
      end
      return values[key]
    end,
    __newindex = function(_, key, value)
      if not M.FIELDS[key] then
        raise_unknown(key)
      end
      local wrong = refusal(shown, key, value)
      if wrong then
        error(("turn.%s %s"):format(key, wrong), 2)
      end
      values[key], lazy[key], shown.set[key] = value, nil, true
    end,
    __metatable = false,
  })
  return shown
end

--- The request that a turn began with, as hooks see it.
---@param req tide.Request|nil nil: a script began it
---@return tide.TurnOrigin|nil
function M.request(req)
  if not req then
    return nil
  end
  return {
    id = req.id,
    address = req.ip,
    language = req.language,
    headers = setmetatable({}, {
      __index = function(_, name)
        return req:header(name)
      end,
    }),
  }
end

return M
