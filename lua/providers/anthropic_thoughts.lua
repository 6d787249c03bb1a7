--- Thoughts in requests to Anthropic's API. The service takes back only what it
--- has signed itself. Thoughts without a signature, which come from another
--- model, are left out. Pure.
--- Source: Claude API documentation, "Extended thinking"

local json = require "tide.json"

local M = {}

--- Whether a block is a thought that nobody has signed.
---@param block tide.Raw
---@return boolean
local function is_unsigned(block)
  local kind, signature = block:members("type", "signature")
  return kind == "thinking"
    and (type(signature) ~= "string" or signature == "")
end

---@param content tide.Raw a list of blocks
---@return table[]|nil signed nil: all of them are
local function without_unsigned(content)
  local blocks, all = json.array({}), true
  for _, block in content:each() do
    if is_unsigned(block) then
      all = false
    else
      blocks[#blocks + 1] = block
    end
  end
  return not all and blocks or nil
end

--- What a model's turn began with, and whether it calls tools.
---@param content tide.Raw|table[]
---@return boolean thought, boolean calls
local function look(content)
  local first, calls
  local function read(block)
    local kind = block:get("type")
    first = first or kind
    calls = calls or kind == "tool_use"
  end
  if json.is_raw(content) then
    for _, block in content:each() do
      read(block)
    end
  else
    for _, block in ipairs(content) do
      read(block)
    end
  end
  return first == "thinking" or first == "redacted_thinking", calls == true
end

---@class SignedMessages
---@field messages tide.Raw[]|table[]
---@field interrupted boolean the last turn of the model calls tools, and its
--- thoughts are gone: the service refuses to go on thinking then

--- The messages without thoughts that nobody has signed.
---@param messages tide.Raw
---@return SignedMessages|nil signed nil: nothing was left out
function M.sign(messages)
  -- The word as it is written mostly; others are found by the service.
  if not tostring(messages):find('"thinking"', 1, true) then
    return nil
  end
  local signed, changed, last = json.array({}), false, nil
  for _, message in messages:each() do
    local role, content = message:members("role", "content")
    if role == "assistant" and json.is_raw(content) then
      local kept = without_unsigned(content)
      last = kept or content
      if kept then
        changed = true
        message = #kept > 0 and message:with({ content = kept }) or nil
      end
    end
    signed[#signed + 1] = message
  end
  if not changed then
    return nil
  end
  local thought, calls = look(last)
  return { messages = signed, interrupted = calls and not thought }
end

return M
