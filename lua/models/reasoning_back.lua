--- Reasoning that goes back to its model. Some services want the reasoning that
--- came before a message's tool calls with that message, and refuse the request
--- without it; others refuse a request that has it. So it is kept beside the
--- messages until it is known who is asked. Pure.
--- Source: https://api-docs.deepseek.com/guides/thinking_mode ("Tool Calls").
--- That Kimi refuses such requests is known from public reports only.

local json = require "tide.json"

local M = {}

--- Reasoning by the id of the first call of the message that it belongs to.
---@alias CallReasoning table<string, string>

--- A message with its reasoning, for a provider that wants it.
---@param message tide.ChatMessage
---@param reasoning CallReasoning
---@return tide.ChatMessage message the same one if there is nothing to add
local function with_reasoning(message, reasoning)
  local calls = message.tool_calls
  local first = type(calls) == "table" and calls[1]
  local text = type(first) == "table"
    and first.id ~= nil
    and reasoning[first.id]
  if not text or message.reasoning_content ~= nil then
    return message
  end
  local copy = {}
  for name, value in pairs(message) do
    copy[name] = value
  end
  copy.reasoning_content = text
  return copy
end

--- Whether a provider gets reasoning with the messages of a request.
---@param provider tide.Provider
---@param reasoning CallReasoning|nil
---@return boolean
function M.is_wanted(provider, reasoning)
  return provider.reasoning_back == true
    and reasoning ~= nil
    and next(reasoning) ~= nil
end

--- Messages with the reasoning of their calls.
---@param messages tide.ChatMessage[] not changed
---@param reasoning CallReasoning
---@return tide.ChatMessage[]
function M.add(messages, reasoning)
  local list = json.array({})
  for i, message in ipairs(messages) do
    list[i] = with_reasoning(message, reasoning)
  end
  return list
end

return M
