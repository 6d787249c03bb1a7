--- Messages as they are stored: a tree, since a message may have several
--- replies and a reply several continuations. What a reader sees and a model
--- is sent is one path of it, from the root to a leaf.

local cache = require "lib.cache"
local chat = require "chat.chat"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"

local M = {}

--- Rows of a history that is cached for the next turn.
local CACHED_ROWS_MAX = 1000

--- What a turn needs of a message.
local MESSAGE_COLUMNS = "id, parent_id, role, content, status, model_name, "
  .. "usage, file_ids, tool_calls, created_at"

--- What a reader sees of it. A reply that failed has no other end.
local SHOWN_COLUMNS = MESSAGE_COLUMNS .. ", reasoning, error_code, "
  .. "CASE WHEN status = 'error' OR status = 'interrupted' THEN status "
  .. "ELSE NULLIF(finish_reason, '') END AS finish_reason"

--- Messages of a session: session row, user, the first id and the last one.
M.SQL_BETWEEN = "SELECT " .. SHOWN_COLUMNS .. " FROM chat_messages "
  .. "WHERE session_row = ? AND user_id = ? AND id >= ? AND id <= ? ORDER BY id"

--- The way from a message up to the root, at most `limit` rows. Only ids go
--- through the recursion: texts are fetched once, for the rows that stay. To be
--- completed by the columns.
local SQL_PATH = [[
WITH RECURSIVE path (id, parent_id, depth) AS (
  SELECT id, parent_id, 1 FROM chat_messages
  WHERE id = ? AND session_row = ? AND user_id = ?
  UNION ALL
  SELECT m.id, m.parent_id, path.depth + 1
  FROM path JOIN chat_messages AS m ON m.id = path.parent_id
  WHERE m.user_id = ? AND path.depth < ?
)
SELECT %s FROM chat_messages
WHERE user_id = ? AND id IN (SELECT id FROM path) ORDER BY id]]
local SQL_HISTORY = SQL_PATH:format(MESSAGE_COLUMNS)
local SQL_SHOWN_PATH = SQL_PATH:format(SHOWN_COLUMNS)

--- Messages from `id` up to the root, oldest first. A reply has a higher id
--- than what it answers, so the order of ids is the order of the path.
---@param sql string SQL_HISTORY or SQL_SHOWN_PATH
---@param user_id integer
---@param session_row integer
---@param id integer|nil nil = no rows
---@param limit integer
---@return table[]|nil rows, tide.Error|nil err
local function get_path(sql, user_id, session_row, id, limit)
  if not id then
    return {}
  end
  return db.query(sql, {
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

--- One message of a session.
---@param user_id integer
---@param session_row integer
---@param id integer
---@return table|nil row, tide.Error|nil err message_not_found
function M.get_message(user_id, session_row, id)
  local row, err = db.one(
    "SELECT " .. MESSAGE_COLUMNS .. " FROM chat_messages "
      .. "WHERE id = ? AND session_row = ? AND user_id = ?",
    { id, session_row, user_id }
  )
  if not row then
    return nil, err or errors.new("message_not_found")
  end
  return row
end

--- The end of a conversation: the path to a message.
---@param user_id integer
---@param session table row of chat_sessions
---@param leaf integer|nil nil = the newest message
---@param limit integer rows at most
---@return table[]|nil rows oldest first, tide.Error|nil err
function M.get_history(user_id, session, leaf, limit)
  if leaf then
    return get_path(SQL_HISTORY, user_id, session.id, leaf, limit)
  end
  local cached = cache.get_cached_full_session(session, limit)
  if cached then
    return cached
  end
  local rows, err
  leaf, err = newest_below(user_id, session.id, math.maxinteger)
  if err then
    return nil, err
  end
  rows, err = get_path(SQL_HISTORY, user_id, session.id, leaf, limit)
  if rows and rows[1] and limit <= CACHED_ROWS_MAX then
    cache.cache_full_session(session, rows, limit)
  end
  return rows, err
end

--- Where a page that goes back from `cursor` begins: at the parent of the
--- cursor's message, the smallest of the page before. A cursor that is no
--- message (any more) is read as "older than that".
---@param user_id integer
---@param session_row integer
---@param cursor integer 0 = from the leaf
---@param leaf integer 0 = the newest message
---@return integer|nil id, tide.Error|nil err message_not_found
local function page_start(user_id, session_row, cursor, leaf)
  if cursor == 0 and leaf == 0 then
    return newest_below(user_id, session_row, math.maxinteger)
  elseif cursor == 0 then
    local row, unknown = M.get_message(user_id, session_row, leaf)
    return row and row.id, unknown
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
    row.reasoning = reply:text("reasoning")
    return true
  end
  local fresh, err = db.one(
    "SELECT " .. SHOWN_COLUMNS .. " FROM chat_messages "
      .. "WHERE id = ? AND user_id = ?",
    { row.id, user_id }
  )
  if err then
    return nil, err
  elseif fresh then
    for name, value in pairs(fresh) do
      row[name] = value
    end
  end
  return true
end

---@class MessagePage
---@field rows table[] oldest first
---@field cursor integer the smallest id, 0 when there are no rows
---@field has_more boolean

--- Ids and parents of the messages that have a parent in common with one of a
--- path's, or (?5 = 1) are roots.
local SQL_SIBLINGS = [[
WITH RECURSIVE path (id, parent_id, depth) AS (
  SELECT id, parent_id, 1 FROM chat_messages
  WHERE id = ?3 AND session_row = ?2 AND user_id = ?1
  UNION ALL
  SELECT m.id, m.parent_id, path.depth + 1
  FROM path JOIN chat_messages AS m ON m.id = path.parent_id
  WHERE m.user_id = ?1 AND path.depth < ?4
)
SELECT id, parent_id FROM chat_messages
WHERE user_id = ?1 AND parent_id IN (SELECT parent_id FROM path)
UNION ALL
SELECT id, parent_id FROM chat_messages
WHERE user_id = ?1 AND session_row = ?2 AND parent_id IS NULL AND ?5 = 1
ORDER BY id]]

--- Puts into each row the ids of all messages with its parent, itself too.
---@param user_id integer
---@param session_row integer
---@param rows table[] a path; changed
---@return true|nil ok, tide.Error|nil err
local function fill_siblings(user_id, session_row, rows)
  if #rows == 0 then
    return true
  end
  local found, err = db.query(SQL_SIBLINGS, {
    user_id,
    session_row,
    rows[#rows].id,
    #rows,
    rows[1].parent_id == nil,
  })
  if not found then
    return nil, err
  end
  local of = {}
  for _, row in ipairs(found) do
    local parent = row.parent_id or 0
    of[parent] = of[parent] or json.array({})
    table.insert(of[parent], row.id)
  end
  for _, row in ipairs(rows) do
    row.siblings = of[row.parent_id or 0]
  end
  return true
end

--- The messages that lead to one, for a reader.
---@param user_id integer
---@param session_row integer
---@param last integer|nil the page's last message; nil = an empty page
---@param limit integer
---@return MessagePage|nil page, tide.Error|nil err
function M.read_page(user_id, session_row, last, limit)
  local rows, err =
    get_path(SQL_SHOWN_PATH, user_id, session_row, last, limit + 1)
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
  local ok, lost = fill_siblings(user_id, session_row, rows)
  if not ok then
    return nil, lost
  end
  return {
    rows = rows,
    cursor = rows[1] and rows[1].id or 0,
    has_more = has_more,
  }
end

--- One page of the path from a leaf to the root.
---@param user_id integer
---@param session_id string
---@param cursor integer 0 = from the leaf
---@param limit integer
---@param leaf integer 0 = the newest message
---@return MessagePage|nil page
---@return tide.Error|nil err session_not_found, message_not_found
function M.get_chat_messages(user_id, session_id, cursor, limit, leaf)
  local session, unknown = chat.get_chat_session(user_id, session_id)
  if not session then
    return nil, unknown
  end
  local start, failed = page_start(user_id, session.id, cursor, leaf)
  if failed then
    return nil, failed
  end
  return M.read_page(user_id, session.id, start, limit)
end

return M
