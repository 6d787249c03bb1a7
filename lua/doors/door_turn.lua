--- The turn of a request to the doors of other APIs, as hooks see it
--- (chat/turn.lua), and how what they change gets into the request. The members
--- that nobody touches stay as they came, byte for byte.

local json = require "tide.json"
local openai = require "doors.openai"
local turn_view = require "chat.turn"

local M = {}

local NOT_HERE = "cannot be changed: a request to this route has none"

--- What only turns of a session have, or have in another way. A title may be
--- set, since hooks do so for all turns; nothing here has one.
local FIXED = {
  persona = NOT_HERE,
  files = NOT_HERE,
  message = "cannot be changed here: change turn.messages",
}

---@class DoorTurn: ShownTurn
---@field came table<string, string> fields that were read, as they came: JSON
---@field note_options fun() notes the options

--- The members of a request in OpenAI's form that hooks find in turn.options.
---@param source ReplySource
---@return table<string, any>
local function options_of(source)
  local options = {}
  for name, value in pairs(source.options) do
    options[name] = value
  end
  options.max_tokens = source.max_tokens
  return options
end

---@param value any
---@return string
local function text_of(value)
  return value == nil and "" or json.encode(value)
end

--- Shows a request's turn.
---@param user_id integer
---@param body table the request, in OpenAI's form
---@param source ReplySource
---@param terms {language: "zh"|"en", req?: tide.Request}
---@return DoorTurn
function M.show(user_id, body, source, terms)
  local came, options = {}, nil
  --- Remembers how a field came, for changes within it.
  local function noted(name, value)
    came[name] = text_of(value)
    return value
  end
  local function noted_options()
    if not options then
      options = options_of(source)
      for name, value in pairs(options) do
        noted("options." .. name, value)
      end
    end
    return options
  end
  local shown = turn_view.show({
    user_id = user_id,
    session_id = "",
    model_name = body.model,
    persona = "OpenAI API",
    language = terms.language,
    first = true,
    title = "",
    files = {},
  }, {
    req = function()
      return turn_view.request(terms.req)
    end,
    user = function()
      return terms.req and terms.req.user
    end,
    messages = function()
      return source.messages
    end,
    message = function()
      return openai.last_question(source.messages)
    end,
    tools = function()
      return noted("tools", source.tools)
    end,
    tool_choice = function()
      return noted("tool_choice", source.tool_choice)
    end,
    options = noted_options,
  }, FIXED)
  shown.came, shown.note_options = came, noted_options
  return shown
end

--- Adds a member that is not as it came to the changes.
---@param changes table<string, any> changed
---@param without string[] changed
---@param name string
---@param value any
---@param came string|nil
local function compare(changes, without, name, value, came)
  if value == nil then
    without[#without + 1] = name
  elseif text_of(value) ~= came then
    changes[name] = value
  end
end

--- The request with what hooks have changed in it besides the messages.
---@param shown DoorTurn
---@param request tide.Raw as it came
---@return tide.Raw|nil changed nil: nothing
function M.changed(shown, request)
  local values, came = shown.values, shown.came
  local changes, without = {}, {}
  for _, name in ipairs({ "tools", "tool_choice" }) do
    if values[name] ~= nil or shown.set[name] then
      local value = values[name]
      if type(value) == "table" and next(value) == nil then
        value = nil
      end
      compare(changes, without, name, value, came[name])
    end
  end
  if values.options then
    shown.note_options() -- they may be set by one who did not read them
    for name, value in pairs(values.options) do
      compare(changes, without, name, value, came["options." .. name])
    end
    for name in pairs(came) do
      local option = name:match("^options%.(.+)$")
      if option and values.options[option] == nil then
        without[#without + 1] = option
      end
    end
  end
  if next(changes) == nil and #without == 0 then
    return nil
  end
  return request:with(changes, without)
end

return M
