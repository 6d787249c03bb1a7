--- The conversation of a request to the OpenAI routes, as it came. It is
--- checked and counted without being decoded: it may be megabytes, and is only
--- passed on.

local fields = require "web.fields"
local text = require "tide.text"
local usage_policy = require "policy.usage"

local M = {}

---@return Schema of the messages
function M.messages()
  return {
    name = "messages",
    type = "array",
    required = true,
    raw = true,
    min = 1,
    max = 2048,
    items = {
      type = "object",
      fields = {
        { name = "role", type = "string", required = true },
        { name = "content", type = "parts", keep_null = true },
        { name = "tool_call_id", type = "string" },
        fields.tool_calls(),
      },
    },
  }
end

---@return Schema of what the model may call
function M.tools()
  local tools = fields.tools()
  tools.raw = true
  return tools
end

--- About how many tokens a request has.
---@param body table with `messages` and perhaps `tools` as they came
---@return integer|nil tokens nil: a policy of before knows no such count
function M.tokens(body)
  if not usage_policy.estimate_counted then
    return nil
  end
  local tokens =
    usage_policy.estimate_counted(text.message_tokens(body.messages))
  return body.tools and tokens + text.tokens(tostring(body.tools)) or tokens
end

return M
