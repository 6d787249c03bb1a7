--- The conversation of a request to the OpenAI routes, as it came. It is looked
--- into without being decoded: it may be megabytes, and is only passed on.

local fields = require "web.fields"
local json = require "tide.json"
local schema = require "web.schema"

local M = {}

local MESSAGES_MAX = 2048

local MESSAGES = {
  fields = {
    {
      name = "messages",
      type = "array",
      min = 1,
      max = MESSAGES_MAX,
      items = {
        type = "object",
        fields = {
          { name = "role", type = "string", required = true },
          { name = "content", type = "parts", keep_null = true },
          { name = "tool_call_id", type = "string" },
          fields.tool_calls(),
        },
      },
    },
  },
}

local TOOLS = { fields = { fields.tools() } }

--- Whether it is what nearly all messages are: a role and a text, no calls.
---@param message any
---@return boolean
local function is_usual(message)
  return type(message) == "userdata"
    and message ~= json.null
    and message:type("content") == "string"
    and message:type("role") == "string"
    and message:get("role") ~= ""
    and not message:type("tool_calls")
    and not message:type("tool_call_id")
end

--- Whether all messages are usual ones.
---@param messages tide.Raw
---@return boolean
local function are_usual(messages)
  local count = 0
  if messages:type() == "array" then
    for _, message in messages:each() do
      count = count + 1
      if count > MESSAGES_MAX or not is_usual(message) then
        return false
      end
    end
  end
  return count > 0
end

--- Checks a field that is decoded for it.
---@param spec Schema
---@param name string
---@param raw tide.Raw
---@param language "zh"|"en"
---@return tide.Error|nil err missing_field, invalid_field
local function check_field(spec, name, raw, language)
  local _, err = schema.check(spec, { [name] = json.decode(raw) }, language)
  return err
end

--- Checks the messages and tools of a request.
---@param body table with `messages` and perhaps `tools` as they came
---@param language "zh"|"en"
---@return boolean|nil fine
---@return tide.Error|nil err missing_field, invalid_field
function M.check(body, language)
  local err = not are_usual(body.messages)
    and check_field(MESSAGES, "messages", body.messages, language)
  if not err and body.tools then
    err = check_field(TOOLS, "tools", body.tools, language)
  end
  if err then
    return nil, err
  end
  return true
end

return M
