--- Messages as they are stored: a tree, since a message may have several
--- replies and a reply several continuations. What a reader sees and a model
--- is sent is one path of it, from the root to a leaf.

local cache = require "lib.cache"
local chat = require "chat.chat"
local conversations = require "tide.messages"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"
local turn_lease = require "chat.turn_lease"

local M = {}

--- Rows and bytes of a conversation that is cached for the next turn.
local CACHED_ROWS_MAX = 1000
local CACHED_BYTES_MAX = 1024 * 1024

--- What a turn needs of a message.
local MESSAGE_COLUMNS = "id, parent_id, role, content, status, model_name, "
  .. "usage, file_ids, tool_calls, steps, created_at"

--- What a reader sees of it. A reply that failed has no other end, unless the
--- provider said why there is no text.
local SHOWN_COLUMNS = MESSAGE_COLUMNS .. ", reasoning, error_code, "
  .. "coalesce(NULLIF(finish_reason, ''), CASE WHEN status = 'error' "
  .. "OR status = 'interrupted' THEN status END) AS finish_reason"

--- Messages of a session: session row, user, the first id and the last one.
local BETWEEN = " FROM chat_messages "
  .. "WHERE session_row = ? AND user_id = ? AND id >= ? AND id <= ?"
M.SQL_BETWEEN = "SELECT " .. SHOWN_COLUMNS .. BETWEEN .. " ORDER BY id"

--- The way from a message up to the root, at most so many rows. Only ids go
--- through the recursion: texts are fetched once, for the rows that stay.
---@param columns string
---@return string sql with the values of path_values
local function path_sql(columns)
  return [[
WITH RECURSIVE path (id, parent_id, depth) AS (
  SELECT id, parent_id, 1 FROM chat_messages
  WHERE id = ?1 AND session_row = ?2 AND user_id = ?3
  UNION ALL
  SELECT m.id, m.parent_id, path.depth + 1
  FROM path JOIN chat_messages AS m ON m.id = path.parent_id
  WHERE m.user_id = ?3 AND path.depth < ?4
)
SELECT ]] .. columns .. [[ FROM chat_messages
WHERE user_id = ?3 AND id IN (SELECT id FROM path) ORDER BY id]]
end

local SQL_CONVERSATION = path_sql("id, role, content, file_ids")

---@param user_id integer
---@param session_row integer
---@param id integer the message at the end
---@param limit integer rows at most
---@return any[]
local function path_values(user_id, session_row, id, limit)
  return { id, session_row, user_id, limit }
end

local SQL_NEWEST = "SELECT id, status FROM chat_messages "
  .. "WHERE session_row = ? AND user_id = ? AND id < ? "
  .. "ORDER BY id DESC LIMIT 1"

--- The newest message of a session below an id: a leaf, since replies have
--- higher ids than what they answer.
---@param user_id integer
---@param session_row integer
---@param below integer
---@return integer|nil id nil when there is none
---@return string|tide.Error|nil status its, or the error
local function newest_below(user_id, session_row, below)
  local row, err = db.one(SQL_NEWEST, { session_row, user_id, below })
  if err then
    return nil, err
  end
  return row and row.id, row and row.status
end

---@param user_id integer
---@param session_row integer
---@param below integer
---@return integer|nil id nil when there is none, tide.Error|nil err
local function newest_id(user_id, session_row, below)
  local id, status = newest_below(user_id, session_row, below)
  return id, not id and status or nil
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

--- The path to a message, as the core keeps it.
---@param user_id integer
---@param session_row integer
---@param leaf integer
---@param limit integer rows at most
---@return tide.Messages|nil conversation, tide.Error|nil err
local function read_conversation(user_id, session_row, leaf, limit)
  local values = path_values(user_id, session_row, leaf, limit)
  return db.messages(SQL_CONVERSATION, values)
end

--- The end of a conversation: the path to a message. With Redis that of the
--- newest one comes from there, if the session has not changed since.
---@param user_id integer
---@param session table row of chat_sessions
---@param leaf integer|nil nil = the newest message
---@param limit integer rows at most
---@return tide.Messages|nil conversation oldest first, tide.Error|nil err
function M.get_conversation(user_id, session, leaf, limit)
  if leaf then
    return read_conversation(user_id, session.id, leaf, limit)
  end
  local shared = cache.is_shared() and limit <= CACHED_ROWS_MAX
  local cached = shared and cache.get_cached_full_session(session, limit)
  if cached then
    return conversations.new(cached)
  end
  local newest, status =
    newest_below(user_id, session.id, math.maxinteger)
  if not newest then
    if status then
      return nil, status
    end
    return conversations.new()
  end
  local conversation, err =
    read_conversation(user_id, session.id, newest, limit)
  -- A running reply's text changes without a new version of the session.
  if conversation and shared and status ~= "streaming" then
    if conversation:bytes() <= CACHED_BYTES_MAX then
      cache.cache_full_session(session, conversation:tables(true), limit)
    end
  end
  return conversation, err
end

--- Lets a reply that has ended run again.
---@param user_id integer
---@param row table its id and status
---@param lease tide.TurnLease|nil nil on a server alone
---@return true|nil ok, tide.Error|nil err nothing_to_continue: it has
--- changed; turn_taken: another node was quicker; scripts_outdated
function M.reopen(user_id, row, lease)
  local statements = {
    {
      "UPDATE chat_messages SET status = 'streaming', delivered = 0, "
        .. "error_code = NULL WHERE id = ? AND user_id = ? AND status = ?",
      { row.id, user_id, row.status },
      expect = 1,
    },
  }
  if lease then
    statements[2] = turn_lease.taking(lease, user_id, row.id)
    statements[3] = turn_lease.numbering(lease, row.id)
  end
  local outcomes, err = db.write(statements)
  if outcomes then
    return true
  elseif err.statement == 2 and turn_lease.is_outdated(err) then
    return nil, turn_lease.outdated()
  elseif err.code == "unexpected_changes" then
    return nil,
      errors.new(err.statement == 1 and "nothing_to_continue" or "turn_taken")
  end
  return nil, err
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
    return newest_id(user_id, session_row, math.maxinteger)
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
  return newest_id(user_id, session_row, cursor)
end

--- The way from a message up to the root, as of SQL_PATH: what each message is
--- beside its texts. `versions`: how many have its parent; 0 for a root.
local SQL_PLACES = [[
WITH RECURSIVE path (id, parent_id, status, depth) AS (
  SELECT id, parent_id, status, 1 FROM chat_messages
  WHERE id = ?1 AND session_row = ?2 AND user_id = ?3
  UNION ALL
  SELECT m.id, m.parent_id, m.status, path.depth + 1
  FROM path JOIN chat_messages AS m ON m.id = path.parent_id
  WHERE m.user_id = ?3 AND path.depth < ?4
)
SELECT id, parent_id, status, (SELECT COUNT(*) FROM chat_messages AS s
  WHERE s.parent_id = path.parent_id) AS versions
FROM path ORDER BY id]]

---@class MessagePlace
---@field id integer
---@field parent_id integer|nil
---@field status string
---@field versions integer

--- Messages with a parent: user, its id.
local SQL_CHILDREN = "SELECT id FROM chat_messages "
  .. "WHERE user_id = ? AND parent_id = ? ORDER BY id"

--- Messages without one: user, session row.
local SQL_ROOTS = "SELECT id FROM chat_messages "
  .. "WHERE user_id = ? AND session_row = ? AND parent_id IS NULL ORDER BY id"

--- The ids of all messages with a message's parent, itself too.
---@param user_id integer
---@param session_row integer
---@param place MessagePlace
---@return integer[]|nil ids, tide.Error|nil err
local function get_siblings(user_id, session_row, place)
  local rows, err
  if place.parent_id then
    rows, err = db.query(SQL_CHILDREN, { user_id, place.parent_id })
  else
    rows, err = db.query(SQL_ROOTS, { user_id, session_row })
  end
  if not rows then
    return nil, err
  end
  local ids = json.array({})
  for i, row in ipairs(rows) do
    ids[i] = row.id
  end
  return ids
end

--- What messages are beyond their rows, which are read after this: the text so
--- far of a reply that runs, and siblings.
---@param user_id integer
---@param session_row integer
---@param places MessagePlace[]
---@return table<integer, table<string, any>>|nil changes by id
---@return tide.Error|nil err
local function find_changes(user_id, session_row, places)
  local changes = {}
  for _, place in ipairs(places) do
    local reply = place.status == "streaming"
      and llm.find_message(user_id, place.id)
    if reply then -- else it has ended, and its row is whole
      changes[place.id] = {
        content = reply:text(),
        reasoning = reply:text("reasoning"),
        steps = reply:text("steps"),
        status = place.status,
      }
    end
    if place.versions ~= 1 then
      local ids, err = get_siblings(user_id, session_row, place)
      if not ids then
        return nil, err
      end
      local change = changes[place.id] or {}
      change.siblings = ids
      changes[place.id] = change
    end
  end
  return changes
end

--- The columns of a page, with `siblings`: those of a message that has none but
--- itself, as JSON.
local PAGE_COLUMNS = SHOWN_COLUMNS .. ", '[' || id || ']' AS siblings"
local SQL_PATH_PAGE = path_sql(PAGE_COLUMNS)
local SQL_BETWEEN_PAGE = "SELECT " .. PAGE_COLUMNS .. BETWEEN .. " ORDER BY id"
local SQL_COUNT_BETWEEN = "SELECT COUNT(*) AS n" .. BETWEEN

--- The statement for the rows of a page, and its values: a path without other
--- branches beside it is simply all that lies between its ends.
---@param user_id integer
---@param session_row integer
---@param places MessagePlace[] not empty
---@return string|nil sql, any[]|tide.Error values
local function page_statement(user_id, session_row, places)
  local last = places[#places].id
  local between = { session_row, user_id, places[1].id, last }
  local count, err = db.one(SQL_COUNT_BETWEEN, between)
  if not count then
    return nil, err
  elseif count.n == #places then
    return SQL_BETWEEN_PAGE, between
  end
  return SQL_PATH_PAGE, path_values(user_id, session_row, last, #places)
end

---@param sql string
---@param values any[]
---@param changes table<integer, table<string, any>>
---@return table[]|nil rows, tide.Error|nil err
local function get_changed(sql, values, changes)
  local rows, err = db.query(sql, values)
  if not rows then
    return nil, err
  end
  for _, row in ipairs(rows) do
    row.siblings = json.decode(row.siblings)
    for name, value in pairs(changes[row.id] or {}) do
      row[name] = value
    end
  end
  return rows
end

---@class MessagePage
---@field rows table[]|tide.Raw oldest first; with a schema JSON, as of db.json
---@field cursor integer the smallest id, 0 when there are no rows
---@field has_more boolean

--- The places of a page's messages.
---@param user_id integer
---@param session_row integer
---@param start integer|nil where it begins; nil = there is nothing
---@param limit integer
---@return MessagePlace[]|nil places, boolean|tide.Error has_more
local function get_places(user_id, session_row, start, limit)
  if not start then
    return {}, false
  end
  local values = path_values(user_id, session_row, start, limit + 1)
  local places, err = db.query(SQL_PLACES, values)
  if not places then
    return nil, err
  end
  local has_more = #places > limit
  if has_more then
    table.remove(places, 1)
  end
  return places, has_more
end

--- The rows of places.
---@param user_id integer
---@param session_row integer
---@param places MessagePlace[]
---@param schema Schema|nil
---@return table[]|tide.Raw|nil rows, tide.Error|nil err
local function get_rows(user_id, session_row, places, schema)
  if #places == 0 then
    return json.array({})
  end
  local changes, lost = find_changes(user_id, session_row, places)
  if not changes then
    return nil, lost
  end
  local sql, values = page_statement(user_id, session_row, places)
  if not sql then
    return nil, values
  elseif schema then
    return db.json(sql, values, schema, changes)
  end
  return get_changed(sql, values, changes)
end

--- The messages that lead to one, for a reader.
---@async
---@param user_id integer
---@param session_row integer
---@param last integer|nil the page's last message; nil = an empty page
---@param limit integer
---@param schema? Schema of a row, for a page that is only passed on
---@return MessagePage|nil page, tide.Error|nil err
function M.read_page(user_id, session_row, last, limit, schema)
  local places, has_more = get_places(user_id, session_row, last, limit)
  if not places then
    return nil, has_more
  end
  local rows, err = get_rows(user_id, session_row, places, schema)
  if not rows then
    return nil, err
  end
  return {
    rows = rows,
    cursor = places[1] and places[1].id or 0,
    has_more = has_more,
  }
end

--- One page of the path from a leaf to the root.
---@async
---@param user_id integer
---@param session_id string
---@param cursor integer 0 = from the leaf
---@param limit integer
---@param leaf integer 0 = the newest message
---@param schema? Schema of a row, for a page that is only passed on
---@return MessagePage|nil page
---@return tide.Error|nil err session_not_found, message_not_found
function M.get_chat_messages(user_id, session_id, cursor, limit, leaf, schema)
  local session, unknown = chat.get_chat_session(user_id, session_id)
  if not session then
    return nil, unknown
  end
  local start, failed = page_start(user_id, session.id, cursor, leaf)
  if failed then
    return nil, failed
  end
  return M.read_page(user_id, session.id, start, limit, schema)
end

return M
