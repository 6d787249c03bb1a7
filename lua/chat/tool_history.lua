--- A conversation with what tools did in it: earlier replies that called tools
--- become the messages that they were made of, so that the model knows the
--- results. Only where this server has tools.

local db = require "tide.db"
local steps = require "chat.tool_steps"

local M = {}

local SQL_STEPS = "SELECT id, content, steps, runs FROM chat_messages "
  .. "WHERE session_row = ? AND user_id = ? AND id >= ? AND steps <> ''"

--- The smallest id among messages.
---@param messages table[]
---@return integer|nil
local function first_id(messages)
  local first
  for _, message in ipairs(messages) do
    if message.id and (not first or message.id < first) then
      first = message.id
    end
  end
  return first
end

--- The replies with steps, by id.
---@async
---@param user_id integer
---@param session_row integer
---@param first integer
---@return table<integer, table> rows none when they cannot be read: the texts
--- are there all the same
local function get_rows(user_id, session_row, first)
  local by_id = {}
  local rows = db.query(SQL_STEPS, { session_row, user_id, first })
  for _, row in ipairs(rows or {}) do
    by_id[row.id] = row
  end
  return by_id
end

--- The messages as tables, which the caller may add to.
---@async
---@param user_id integer
---@param session_row integer|nil nil = a new session
---@param messages tide.Messages|tide.ChatMessage[]
---@return tide.ChatMessage[] expanded
function M.expand(user_id, session_row, messages)
  local rows = type(messages) == "userdata" and messages:tables(true)
    or messages --[[@as table[] ]]
  local first = session_row and first_id(rows)
  local by_id = first and get_rows(user_id, session_row, first) or {}
  local expanded = {}
  for _, message in ipairs(rows) do
    local row = message.id and by_id[message.id]
    if row and message.role == "assistant" then
      steps.add_reply(expanded, row)
    else
      expanded[#expanded + 1] = {
        role = message.role,
        content = message.content,
        tool_calls = message.tool_calls,
        tool_call_id = message.tool_call_id,
      }
    end
  end
  return expanded
end

return M
