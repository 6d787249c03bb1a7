--- Chat sessions and their messages as they are stored. No policy here: what a
--- session is called, who speaks and what is sent is decided elsewhere. Every
--- statement names the user; what belongs to somebody else is not found.

local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"
local time = require "tide.time"

local M = {}

local SESSION_COLUMNS = "id, session_id, user_id, title, model_name, persona, "
  .. "message_count, created_at, updated_at"
local MESSAGE_COLUMNS = "id, parent_id, role, content, status, model_name, "
  .. "usage, file_ids, created_at"

---@class SessionDraft what is stored of a session
---@field id? integer chat_sessions.id; nil = not stored yet
---@field session_id string
---@field title string
---@field model_name string
---@field persona string
---@field message_count integer

---@param user_id integer
---@param session_id string
---@return table|nil row of chat_sessions, tide.Error|nil err session_not_found
function M.get_chat_session(user_id, session_id)
  local row, err = db.one(
    "SELECT " .. SESSION_COLUMNS .. " FROM chat_sessions "
      .. "WHERE user_id = ? AND session_id = ?",
    { user_id, session_id }
  )
  if not row then
    return nil, err or errors.new("session_not_found")
  end
  return row
end

--- The statement that stores a session that is new.
---@param user_id integer
---@param draft SessionDraft
---@param now string
---@return table statement
local function insert_session(user_id, draft, now)
  return {
    "INSERT INTO chat_sessions (session_id, user_id, title, model_name, "
      .. "persona, message_count, created_at, updated_at) "
      .. "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    {
      draft.session_id,
      user_id,
      draft.title,
      draft.model_name,
      draft.persona,
      draft.message_count,
      now,
      now,
    },
    expect = 1,
  }
end

--- Stores a session, or returns the one that is there under this id.
---@param user_id integer
---@param draft SessionDraft
---@return table|nil row of chat_sessions, tide.Error|nil err session_not_found
--- when the id is another user's
function M.create_chat_session(user_id, draft)
  local outcomes, err =
    db.write({ insert_session(user_id, draft, time.now()) })
  if not outcomes and err.code ~= "duplicate" then
    return nil, err
  end
  return M.get_chat_session(user_id, draft.session_id)
end

--- One page of a user's sessions, last changed first.
---@param user_id integer
---@param limit integer
---@param offset integer
---@return table[]|nil rows, integer|tide.Error total
function M.get_chat_sessions(user_id, limit, offset)
  local total, failed = db.one(
    "SELECT COUNT(*) AS n FROM chat_sessions WHERE user_id = ?",
    { user_id }
  )
  if not total then
    return nil, failed
  end
  local rows, err = db.query(
    "SELECT " .. SESSION_COLUMNS .. " FROM chat_sessions WHERE user_id = ? "
      .. "ORDER BY updated_at DESC, id DESC LIMIT ? OFFSET ?",
    { user_id, limit, offset }
  )
  if not rows then
    return nil, err
  end
  return rows, total.n
end

--- The way from a message up to the root, at most `limit` rows. Only ids go
--- through the recursion: texts are fetched once, for the rows that stay.
local SQL_PATH = [[
WITH RECURSIVE path (id, parent_id, depth) AS (
  SELECT id, parent_id, 1 FROM chat_messages
  WHERE id = ? AND session_row = ? AND user_id = ?
  UNION ALL
  SELECT m.id, m.parent_id, path.depth + 1
  FROM path JOIN chat_messages AS m ON m.id = path.parent_id
  WHERE m.user_id = ? AND path.depth < ?
)
SELECT ]] .. MESSAGE_COLUMNS .. [[ FROM chat_messages
WHERE user_id = ? AND id IN (SELECT id FROM path) ORDER BY id]]

--- Messages from `id` up to the root, oldest first. A reply has a higher id
--- than what it answers, so the order of ids is the order of the path.
---@param user_id integer
---@param session_row integer
---@param id integer|nil nil = no rows
---@param limit integer
---@return table[]|nil rows, tide.Error|nil err
local function get_path(user_id, session_row, id, limit)
  if not id then
    return {}
  end
  return db.query(SQL_PATH, {
    id,
    session_row,
    user_id,
    user_id,
    limit,
    user_id,
  })
end

--- The newest message of a session below an id: a leaf, since replies have
--- higher ids than what they answer.
---@param user_id integer
---@param session_row integer
---@param below integer
---@return integer|nil id nil when there is none, tide.Error|nil err
local function newest_below(user_id, session_row, below)
  local row, err = db.one(
    "SELECT MAX(id) AS id FROM chat_messages "
      .. "WHERE session_row = ? AND user_id = ? AND id < ?",
    { session_row, user_id, below }
  )
  return row and row.id, err
end

--- The end of the conversation: the path to its newest message.
---@param user_id integer
---@param session_row integer
---@param limit integer rows at most
---@return table[]|nil rows oldest first, tide.Error|nil err
function M.get_history(user_id, session_row, limit)
  local leaf, err = newest_below(user_id, session_row, math.maxinteger)
  if err then
    return nil, err
  end
  return get_path(user_id, session_row, leaf, limit)
end

--- Where a page that goes back from `cursor` begins: at the parent of the
--- cursor's message, the smallest of the page before. A cursor that is no
--- message (any more) is read as "older than that".
---@param user_id integer
---@param session_row integer
---@param cursor integer 0 = the newest
---@return integer|nil id, tide.Error|nil err
local function page_start(user_id, session_row, cursor)
  if cursor == 0 then
    return newest_below(user_id, session_row, math.maxinteger)
  end
  local row, err = db.one(
    "SELECT parent_id FROM chat_messages "
      .. "WHERE id = ? AND session_row = ? AND user_id = ?",
    { cursor, session_row, user_id }
  )
  if err then
    return nil, err
  elseif row then
    return row.parent_id
  end
  return newest_below(user_id, session_row, cursor)
end

--- Puts the text so far into the row of a reply that is still running. It may
--- end between the query and now: then the row is read again.
---@param user_id integer
---@param row table changed
---@return true|nil ok, tide.Error|nil err
local function fill_running(user_id, row)
  local reply = llm.find_message(user_id, row.id)
  if reply then
    row.content = reply:text()
    return true
  end
  local fresh, err = db.one(
    "SELECT content, status, usage FROM chat_messages "
      .. "WHERE id = ? AND user_id = ?",
    { row.id, user_id }
  )
  if err then
    return nil, err
  elseif fresh then
    row.content, row.status, row.usage =
      fresh.content, fresh.status, fresh.usage
  end
  return true
end

---@class MessagePage
---@field rows table[] oldest first
---@field cursor integer the smallest id, 0 when there are no rows
---@field has_more boolean

--- One page of the path from the newest message to the root.
---@param user_id integer
---@param session_id string
---@param cursor integer 0 = the newest
---@param limit integer
---@return MessagePage|nil page, tide.Error|nil err session_not_found
function M.get_chat_messages(user_id, session_id, cursor, limit)
  local session, unknown = M.get_chat_session(user_id, session_id)
  if not session then
    return nil, unknown
  end
  local start, failed = page_start(user_id, session.id, cursor)
  if failed then
    return nil, failed
  end
  local rows, err = get_path(user_id, session.id, start, limit + 1)
  if not rows then
    return nil, err
  end
  local has_more = #rows > limit
  if has_more then
    table.remove(rows, 1)
  end
  for _, row in ipairs(rows) do
    if row.status == "streaming" then
      local ok, lost = fill_running(user_id, row)
      if not ok then
        return nil, lost
      end
    end
  end
  return {
    rows = rows,
    cursor = rows[1] and rows[1].id or 0,
    has_more = has_more,
  }
end

--- The statement that raises a session's counter with what a turn changes.
---@param user_id integer
---@param draft SessionDraft
---@param now string
---@return table statement
local function update_session(user_id, draft, now)
  return {
    "UPDATE chat_sessions SET title = ?, model_name = ?, persona = ?, "
      .. "message_count = message_count + 2, version = version + 1, "
      .. "updated_at = ? WHERE id = ? AND user_id = ?",
    { draft.title, draft.model_name, draft.persona, now, draft.id, user_id },
    expect = 1,
  }
end

local SQL_INSERT_MESSAGE = "INSERT INTO chat_messages (user_id, session_row, "
  .. "parent_id, role, content, status, model_name, file_ids, created_at, "
  .. "updated_at) VALUES (?, (SELECT id FROM chat_sessions "
  .. "WHERE session_id = ? AND user_id = ?), "

---@class SavedTurn
---@field session_row integer
---@field user_message_id integer
---@field message_id integer the assistant's

--- Stores the beginning of a turn in one transaction: the session (made or
--- changed), the user's message, and the empty reply that is about to run.
---@param user_id integer
---@param draft SessionDraft what the session is from this turn on
---@param message string
---@param parent_id integer|nil what the message follows
---@return SavedTurn|nil saved, tide.Error|nil err session_not_found (the id is
--- another user's), session_deleted (since it was read)
function M.save_turn(user_id, draft, message, parent_id)
  local now = time.now()
  local session = draft.id and update_session(user_id, draft, now)
    or insert_session(user_id, draft, now)
  local outcomes, err = db.write({
    session,
    {
      SQL_INSERT_MESSAGE .. "?, 'user', ?, 'complete', ?, '[]', ?, ?)",
      {
        user_id,
        draft.session_id,
        user_id,
        parent_id or json.null,
        message,
        draft.model_name,
        now,
        now,
      },
    },
    {
      SQL_INSERT_MESSAGE .. "last_insert_rowid(), 'assistant', '', "
        .. "'streaming', ?, '[]', ?, ?)",
      {
        user_id,
        draft.session_id,
        user_id,
        draft.model_name,
        now,
        now,
      },
    },
  })
  if not outcomes then
    if err.code == "duplicate" and err.statement == 1 then
      return nil, errors.new("session_not_found")
    elseif err.code == "unexpected_changes" then
      return nil, errors.new("session_deleted")
    end
    return nil, err
  end
  return {
    session_row = draft.id or outcomes[1].id,
    user_message_id = outcomes[2].id,
    message_id = outcomes[3].id,
  }
end

--- Deletes a session with all its messages; what runs or waits in it ends.
---@param user_id integer
---@param session_id string
---@return true|nil ok, tide.Error|nil err session_not_found
function M.delete_chat_session(user_id, session_id)
  llm.stop(user_id, session_id, "session_deleted")
  local outcomes, err = db.write({
    -- Messages hang on each other by parent_id ON DELETE CASCADE; SQLite ends
    -- a cascade that is 1,000 rows deep with an error. So the chain is cut
    -- first (https://www.sqlite.org/limits.html, trigger recursion).
    {
      "UPDATE chat_messages SET parent_id = NULL WHERE user_id = ? "
        .. "AND session_row = (SELECT id FROM chat_sessions "
        .. "WHERE session_id = ? AND user_id = ?)",
      { user_id, session_id, user_id },
    },
    {
      "DELETE FROM chat_sessions WHERE user_id = ? AND session_id = ?",
      { user_id, session_id },
      expect = 1,
    },
  })
  if not outcomes then
    local unknown = err.code == "unexpected_changes"
    return nil, unknown and errors.new("session_not_found") or err
  end
  -- Once more for a turn that slipped in before the delete: its rows are gone.
  llm.stop(user_id, session_id, "session_deleted")
  return true
end

return M
