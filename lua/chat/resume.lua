--- Replies for those who come back to them, while they run and afterwards.
--- A stored reply becomes a log again (llm.restore), so that positions mean
--- the same before and after its end.

local chat = require "chat.chat"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"
local time = require "tide.time"

local M = {}

--- A row that says `streaming` while no reply runs is about to change: its
--- reply has just begun, or its end was committed after the row was read.
local LOOKS = 40
local LOOK_MS = 25

local SQL_ROW = "SELECT id, parent_id, role, content, reasoning, tool_calls, "
  .. "runs, status, finish_reason, error_code, usage FROM chat_messages "
  .. "WHERE id = ? AND session_row = ? AND user_id = ?"

---@param user_id integer
---@param row table of SQL_ROW
---@return tide.Reply|nil reply, tide.Error|nil err busy
local function restore(user_id, row)
  local usage = row.usage and json.decode(row.usage) or {}
  return llm.restore({
    message_id = row.id,
    user_message_id = row.parent_id,
    user_id = user_id,
    content = row.content,
    reasoning = row.reasoning,
    tool_calls = row.tool_calls,
    runs = row.runs,
    status = row.status,
    finish_reason = row.finish_reason,
    error_code = row.error_code,
    input_tokens = usage.input_tokens,
    output_tokens = usage.output_tokens,
    estimated = usage.estimated,
  })
end

--- The reply that is a message of a session, running or ended.
---@param user_id integer
---@param session_id string
---@param message_id integer
---@return tide.Reply|nil reply
---@return tide.Error|nil err session_not_found, message_not_found, busy
function M.get_reply(user_id, session_id, message_id)
  local session, unknown = chat.get_chat_session(user_id, session_id)
  if not session then
    return nil, unknown
  end
  for _ = 1, LOOKS do
    local row, err = db.one(SQL_ROW, { message_id, session.id, user_id })
    if err then
      return nil, err
    elseif not row or row.role ~= "assistant" then
      return nil, errors.new("message_not_found")
    elseif row.status ~= "streaming" then
      return restore(user_id, row)
    end
    local reply = llm.find_message(user_id, message_id)
    if reply then
      return reply
    end
    time.sleep(LOOK_MS)
  end
  return nil, errors.new("busy")
end

--- The text of a session's latest reply that nobody has got: it runs, or it
--- ended while no client listened. The next message makes it a thing of the
--- past.
---@param user_id integer
---@param session_id string
---@return string|nil text
---@return tide.Error|nil err nothing_to_recover
function M.get_undelivered(user_id, session_id)
  local reply = llm.find(user_id, session_id)
  if reply then
    return reply:text()
  end
  local row, err = db.one(
    "SELECT role, status, delivered, content FROM chat_messages "
      .. "WHERE session_row = (SELECT id FROM chat_sessions "
      .. "WHERE session_id = ?1 AND user_id = ?2) AND user_id = ?2 "
      .. "ORDER BY id DESC LIMIT 1",
    { session_id, user_id }
  )
  if err then
    return nil, err
  elseif
    row
    and row.role == "assistant"
    and row.delivered == 0
    and row.content ~= ""
  then
    return row.content
  end
  return nil, errors.new("nothing_to_recover")
end

return M
