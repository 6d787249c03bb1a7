--- The part of a conversation that is sent to the model. Pure: rows in,
--- messages out. Bounded (the last N pairs), always beginning with a user turn,
--- strictly alternating, even after failures: a turn whose reply has no text is
--- left out as a pair, a partial reply is included. The system prompt comes
--- first and is never a stored row.

local file_policy = require "policy.files"

local M = {}

---@class ContextRow
---@field role "user"|"assistant"|"system"
---@field content string
---@field files? AttachedText[] sent behind the content

--- Rows of history that hold `pairs` good turns even if some have failed.
---@param pairs_max integer
---@return integer
function M.rows_needed(pairs_max)
  return 2 * pairs_max + 20
end

--- The turns of a history: a user's row with the reply that follows it.
---@param rows ContextRow[] oldest first
---@return {user: ContextRow, assistant: ContextRow}[]
local function turns_of(rows)
  local turns = {}
  local asked
  for _, row in ipairs(rows) do
    if row.role == "user" then
      asked = row
    elseif row.role == "assistant" then
      if asked and row.content ~= "" then
        turns[#turns + 1] = { user = asked, assistant = row }
      end
      asked = nil
    end
  end
  return turns
end

--- The turns of a history that a model is shown, as messages.
---@param rows ContextRow[] a path, oldest first
---@param pairs_max integer
---@return tide.ChatMessage[] messages
function M.history(rows, pairs_max)
  local messages = {}
  local turns = turns_of(rows)
  for i = math.max(1, #turns - pairs_max + 1), #turns do
    local asked, answer = turns[i].user, turns[i].assistant
    messages[#messages + 1] = {
      role = "user",
      content = file_policy.content(asked.content, asked.files),
    }
    messages[#messages + 1] = { role = "assistant", content = answer.content }
  end
  return messages
end

---@class ContextSpec
---@field system string the persona's prompt; "" = none
---@field rows ContextRow[] the path to the new message, oldest first
---@field message string the new user message
---@field files? AttachedText[] attached to it
---@field pairs integer turns of history at most

---@param spec ContextSpec
---@return tide.ChatMessage[] messages
function M.build(spec)
  local messages = M.history(spec.rows, spec.pairs)
  if spec.system ~= "" then
    table.insert(messages, 1, { role = "system", content = spec.system })
  end
  messages[#messages + 1] = {
    role = "user",
    content = file_policy.content(spec.message, spec.files),
  }
  return messages
end

return M
