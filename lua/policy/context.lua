--- The part of a conversation that is sent to the model. Pure: rows in,
--- messages out. Bounded (the last N pairs), always beginning with a user turn,
--- strictly alternating, even after failures: a turn whose reply has no text is
--- left out as a pair, a partial reply is included. The system prompt comes
--- first and is never a stored row.

local file_policy = require "policy.files"

local M = {}

--- Rows of history that hold `pairs` good turns even if some have failed.
---@param pairs_max integer
---@return integer
function M.rows_needed(pairs_max)
  return 2 * pairs_max + 20
end

---@class ContextRow a message of the history as a table
---@field role "user"|"assistant"|"system"
---@field content string
---@field files? AttachedText[] sent behind the content

---@class ContextSpec
---@field system string the persona's prompt; "" = none
---@field history tide.Messages the path to the new message, oldest first; may
--- be changed
---@field rows ContextRow[] the same as tables, made when a policy asks for them
---@field message string the new user message
---@field files? AttachedText[] attached to it
---@field pairs integer turns of history at most

--- What the model gets. Texts that are only passed on stay in the core: so it
--- costs little, however long the conversation is. A list of tables may be
--- returned instead.
---@param spec ContextSpec
---@return tide.Messages messages
function M.build(spec)
  local messages = spec.history
  messages:keep_pairs(spec.pairs)
  for _, i in ipairs(messages:with_files()) do
    local files = messages:files(i)
    messages:set(i, file_policy.content(messages:content(i), files))
  end
  if spec.system ~= "" then
    messages:insert(1, "system", spec.system)
  end
  messages:add("user", file_policy.content(spec.message, spec.files))
  return messages
end

return M
