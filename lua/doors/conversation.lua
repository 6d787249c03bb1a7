--- The conversation of a request to the OpenAI routes, as it came. It is looked
--- into without being decoded: it may be megabytes, and is only passed on.

local fields = require "web.fields"
local json = require "tide.json"
local schema = require "web.schema"
local text = require "tide.text"
local usage_policy = require "policy.usage"

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

--- Checks a message of the usual form: a role and a text, no calls.
---@param message any
---@return integer|nil tokens about how many; nil: it is not of that form
local function usual_tokens(message)
  if type(message) ~= "userdata" or message == json.null then
    return nil
  end
  local role, content, calls, call =
    message:members("role", "content", "tool_calls", "tool_call_id")
  local usual = type(role) == "string"
    and role ~= ""
    and type(content) == "string"
    and calls == nil
    and call == nil
  return usual and usage_policy.estimate_message(content) or nil
end

--- The same for all of them.
---@param messages tide.Raw
---@return integer|nil tokens
local function all_tokens(messages)
  local tokens, count = 0, 0
  if messages:type() == "array" then
    for _, message in messages:each() do
      count = count + 1
      local more = count <= MESSAGES_MAX and usual_tokens(message)
      if not more then
        return nil
      end
      tokens = tokens + more
    end
  end
  return count > 0 and tokens or nil
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
---@return tide.Error|integer|nil err missing_field, invalid_field; when it is
--- fine, about how many tokens it has, if that was seen
function M.check(body, language)
  local tokens = all_tokens(body.messages)
  local err = not tokens
    and check_field(MESSAGES, "messages", body.messages, language)
  if not err and body.tools then
    err = check_field(TOOLS, "tools", body.tools, language)
    tokens = tokens and tokens + text.tokens(tostring(body.tools))
  end
  if err then
    return nil, err
  end
  return true, tokens
end

return M
