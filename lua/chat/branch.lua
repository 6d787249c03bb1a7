--- A session that goes on from a reply of another one: the messages that lead
--- there are copied, and both sessions go on independently.

local chat = require "chat.chat"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"
local message_store = require "chat.messages"
local session_manager = require "chat.session_manager"
local turn_lease = require "chat.turn_lease"

local M = {}

--- Messages that are copied: the newest of the path. Even, so that the first
--- one is a user's.
local MESSAGES_MAX = 2000

--- The path to a message: it, session row, user, how many; the new session's
--- row. A reply that could go on does so only where it is.
local SQL_COPY = [[
WITH RECURSIVE path (id, parent_id, depth) AS (
  SELECT id, parent_id, 1 FROM chat_messages
  WHERE id = ?1 AND session_row = ?2 AND user_id = ?3
  UNION ALL
  SELECT m.id, m.parent_id, path.depth + 1
  FROM path JOIN chat_messages AS m ON m.id = path.parent_id
  WHERE m.user_id = ?3 AND path.depth < ?4
)
INSERT INTO chat_messages (user_id, session_row, role, content, reasoning,
  tool_calls, steps, search_text, runs, status, model_name, finish_reason,
  error_code, usage, file_ids, created_at, updated_at)
SELECT user_id, ?5, role, content, reasoning, tool_calls, steps, search_text,
  runs,
  CASE WHEN status IN ('waiting', 'interrupted') THEN 'stopped'
  ELSE status END, model_name, finish_reason, error_code,
  usage, file_ids, created_at, updated_at
FROM chat_messages WHERE user_id = ?3 AND id IN (SELECT id FROM path)
ORDER BY id]]

--- Each follows the one before it: the new session's row, user.
local SQL_JOIN = [[
UPDATE chat_messages SET parent_id = (SELECT MAX(before.id)
  FROM chat_messages AS before
  WHERE before.session_row = ?1 AND before.id < chat_messages.id)
WHERE session_row = ?1 AND user_id = ?2]]

local SQL_COUNT = [[
UPDATE chat_sessions SET message_count = (SELECT COUNT(*) FROM chat_messages
  WHERE session_row = ?1) WHERE id = ?1 AND user_id = ?2]]

--- The reply at the end of the path.
---@param user_id integer
---@param session table row of chat_sessions
---@param id integer|nil nil = the newest message
---@return integer|nil id
---@return tide.Error|nil err message_not_found, not_a_reply
local function find_end(user_id, session, id)
  if not id then
    local page, err =
      message_store.get_chat_messages(user_id, session.session_id, 0, 1, 0)
    if not page then
      return nil, err
    end
    id = page.cursor
  end
  local message, unknown = message_store.get_message(user_id, session.id, id)
  if not message then
    return nil, unknown
  elseif message.role ~= "assistant" then
    return nil, errors.new("not_a_reply", { field = "message" })
  end
  return id
end

--- Copies a session up to a reply.
---@async
---@param user_id integer
---@param session_id string
---@param message_id integer|nil the last that comes along; nil = the newest
---@param title string|nil nil = the session's
---@return table|nil row of chat_sessions: the new one
---@return tide.Error|nil err session_not_found, message_not_found, not_a_reply,
--- those of llm.enter and turn_lease.wait
function M.copy(user_id, session_id, message_id, title)
  local place_in_queue <close>, not_admitted =
    llm.enter(user_id, session_id, "detach")
  if not place_in_queue then
    return nil, not_admitted
  end
  local free, elsewhere = turn_lease.wait(user_id, session_id)
  if not free then
    return nil, elsewhere
  end
  local session, err = chat.get_chat_session(user_id, session_id)
  local last
  if session then
    last, err = find_end(user_id, session, message_id)
  end
  if not last then
    return nil, err
  end
  local draft = {
    session_id = session_manager.new_session_id(),
    title = title or session.title,
    model_name = session.model_name,
    persona = session.persona,
    message_count = 0,
    options = session.options or json.null,
  }
  local statements = chat.creation(user_id, draft)
  local row = db.id_of(1)
  table.move({
    { SQL_COPY, { last, session.id, user_id, MESSAGES_MAX, row } },
    { SQL_JOIN, { row, user_id } },
    { SQL_COUNT, { row, user_id }, expect = 1 },
  }, 1, 3, #statements + 1, statements)
  local outcomes, failed = db.write(statements, { user = user_id })
  if not outcomes then
    return nil, failed
  end
  return chat.get_chat_session(user_id, draft.session_id)
end

return M
