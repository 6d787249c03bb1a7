--- Stored chat sessions, and how a turn is stored in them. No policy is here:
--- other modules decide a session's title, its persona and what is sent. Every
--- statement names the user, so nobody finds what belongs to somebody else.

local cache = require "lib.cache"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"
local row_parts = require "lib.row_parts"
local sql = require "lib.sql"
local time = require "tide.time"
local turn_lease = require "chat.turn_lease"

local M = {}

--- The source of sessions that are chats, and the one of those that are stored
--- responses of OpenAI's clients.
M.CHAT, M.RESPONSES = "chat", "responses"

local SESSION_COLUMNS = "id, session_id, user_id, title, model_name, persona, "
  .. "message_count, options, version, created_at, updated_at"

--- Those that a list shows.
local SHOWN_COLUMNS = "session_id, user_id, title, model_name, persona, "
  .. "message_count, options, created_at, updated_at"

local SQL_SESSION = "SELECT " .. SESSION_COLUMNS .. " FROM chat_sessions "
  .. "WHERE user_id = ? AND session_id = ?"

--- Columns that a user may change.
local CHANGEABLE = { "title", "persona", "model_name", "options" }

---@class SessionDraft what is stored of a session
---@field id? integer chat_sessions.id; nil = not stored yet
---@field session_id string
---@field title string
---@field model_name string
---@field persona string
---@field message_count integer
---@field options? string JSON of ModelOptions; nil = none
---@field version? integer of the stored row as it was read
---@field source? string where it comes from, default "chat"; only those are in
--- the user's list, unless another one is asked for
---@field renamed? boolean the turn gives it its title; else it keeps what it
--- has, also when somebody has just renamed it
---@field persona_named? boolean the turn names its persona; else likewise

--- The version of a session as it is now: what a cached copy must have.
---@param user_id integer
---@param session_id string
---@return integer|nil version nil when there is no such session
---@return tide.Error|nil err
function M.get_version(user_id, session_id)
  local row, err = db.one(
    "SELECT version FROM chat_sessions WHERE user_id = ? AND session_id = ?",
    { user_id, session_id }
  )
  return row and row.version, err
end

---@param user_id integer
---@param session_id string
---@return table|nil row of chat_sessions, tide.Error|nil err session_not_found
function M.get_chat_session(user_id, session_id)
  local row, err = db.one(SQL_SESSION, { user_id, session_id })
  if not row then
    return nil, err or errors.new("session_not_found")
  end
  return row
end

local SQL_INSERT_SESSION = "INSERT INTO chat_sessions (session_id, user_id, "
  .. "title, model_name, persona, message_count, options, source, version, "
  .. "created_at, updated_at%s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?%s)"

--- The same for a server alone, and with whose turn it is.
local SQL_INSERT_ALONE = SQL_INSERT_SESSION:format("", "")
local SQL_INSERT_TAKEN = SQL_INSERT_SESSION:format(
  ", turn_node, turn_epoch, turn_generation",
  ", ?, ?, " .. turn_lease.FIRST_GENERATION
)

--- Adds the values of turn_node and turn_epoch, null when no reply is to run,
--- and turn_generation.
---@param values any[] changed
---@param lease tide.TurnLease
local function add_lease(values, lease)
  values[#values + 1] = lease.epoch and lease.node or json.null
  values[#values + 1] = lease.epoch or json.null
  values[#values + 1] = lease.generation
end

--- The statement that stores a new session. Its version begins at the time, so
--- that a session under the id of a deleted one never has a version that a
--- cache still has.
---@param user_id integer
---@param draft SessionDraft
---@param now string
---@param lease? tide.TurnLease of the turn that it begins with
---@return table statement
local function insert_session(user_id, draft, now, lease)
  local values = {
    draft.session_id,
    user_id,
    draft.title,
    draft.model_name,
    draft.persona,
    draft.message_count,
    draft.options or json.null,
    draft.source or M.CHAT,
    time.unix_ns() // 1000,
    now,
    now,
  }
  if lease then
    add_lease(values, lease)
  end
  return { lease and SQL_INSERT_TAKEN or SQL_INSERT_ALONE, values, expect = 1 }
end

--- The statement that counts a new session, in the write that stores it.
---@param user_id integer
---@return table statement
local function count_session(user_id)
  return {
    "UPDATE users SET session_count = session_count + 1 WHERE id = ?",
    { user_id },
    expect = 1,
  }
end

--- The statements that store a new session; the first one's id is its row's.
---@param user_id integer
---@param draft SessionDraft
---@return table[] statements
function M.creation(user_id, draft)
  return {
    insert_session(user_id, draft, time.now()),
    count_session(user_id),
  }
end

--- Stores a session, or returns the one that is there under this id.
---@param user_id integer
---@param draft SessionDraft
---@return table|nil row of chat_sessions, tide.Error|nil err session_not_found
--- when the id is another user's
function M.create_chat_session(user_id, draft)
  local outcomes, err =
    db.write(M.creation(user_id, draft), { user = user_id })
  if not outcomes and err.code ~= "duplicate" then
    return nil, err
  end
  return M.get_chat_session(user_id, draft.session_id)
end

--- A page from the list's start, and one from its end.
local SQL_PAGE = {
  "SELECT " .. SESSION_COLUMNS .. " FROM chat_sessions "
    .. "WHERE user_id = ? AND source = ? ORDER BY updated_at DESC, id DESC "
    .. "LIMIT ? OFFSET ?",
  "SELECT * FROM (SELECT " .. SESSION_COLUMNS .. " FROM chat_sessions "
    .. "WHERE user_id = ? AND source = ? ORDER BY updated_at, id "
    .. "LIMIT ? OFFSET ?) AS page "
    .. "ORDER BY updated_at DESC, id DESC",
}
local SQL_SHOWN_PAGE = {
  "SELECT " .. SHOWN_COLUMNS .. " FROM chat_sessions "
    .. "WHERE user_id = ? AND source = ? ORDER BY updated_at DESC, id DESC "
    .. "LIMIT ? OFFSET ?",
  "SELECT " .. SHOWN_COLUMNS .. " FROM (SELECT " .. SESSION_COLUMNS
    .. " FROM chat_sessions "
    .. "WHERE user_id = ? AND source = ? ORDER BY updated_at, id "
    .. "LIMIT ? OFFSET ?) AS page "
    .. "ORDER BY updated_at DESC, id DESC",
}

--- How many sessions a list has. Chats are counted with every change; how many
--- others there are is seldom asked.
---@param user_id integer
---@param source string
---@return integer|nil total, tide.Error|nil err
local function count_sessions(user_id, source)
  local row, err
  if source == M.CHAT then
    row, err = db.one(
      "SELECT session_count AS total FROM users WHERE id = ?",
      { user_id }
    )
  else
    row, err = db.one(
      "SELECT COUNT(*) AS total FROM chat_sessions "
        .. "WHERE user_id = ? AND source = ?",
      { user_id, source }
    )
  end
  if err then
    return nil, err
  end
  return row and row.total or 0
end

--- One page of a user's sessions, last changed first.
---@async
---@param user_id integer
---@param limit integer
---@param offset integer
---@param schema? Schema of a row, for a page that is only passed on
---@param source? string default "chat"
---@return table[]|tide.Raw|nil rows with a schema JSON, as of db.json
---@return integer|tide.Error total
function M.get_chat_sessions(user_id, limit, offset, schema, source)
  source = source or M.CHAT
  local total, err = count_sessions(user_id, source)
  if not total then
    return nil, err
  end
  local page = schema and SQL_SHOWN_PAGE or SQL_PAGE
  local rows, failed =
    row_parts.read(total, limit, offset, page, schema, user_id, source)
  if not rows then
    return nil, failed
  end
  return rows, total
end

local SQL_UPDATE_SESSION = "UPDATE chat_sessions "
  .. "SET title = CASE WHEN ? = 1 THEN ? ELSE title END, "
  .. "model_name = ?, persona = CASE WHEN ? = 1 THEN ? ELSE persona END, "
  .. "message_count = message_count + ?, version = version + 1, "
  .. "updated_at = ?%s WHERE id = ? AND user_id = ? AND session_id = ?"
local SQL_UPDATE_ALONE = SQL_UPDATE_SESSION:format("")

--- Only if no other node has a turn in it, or had one since it was read: what
--- the turn continues would be outdated.
local SQL_UPDATE_TAKEN = SQL_UPDATE_SESSION:format(
  ", turn_node = ?, turn_epoch = ?, turn_generation = "
    .. turn_lease.NEXT_GENERATION
) .. " AND version = ? AND (turn_node IS NULL OR turn_node = ?)"

--- The statement that changes a session with a turn. The row of one that was
--- deleted since it was read may be another session's by now.
---@param user_id integer
---@param draft SessionDraft
---@param added integer rows of messages that the turn adds
---@param now string
---@param lease? tide.TurnLease
---@return table statement
local function update_session(user_id, draft, added, now, lease)
  local values = {
    draft.renamed or false,
    draft.title,
    draft.model_name,
    draft.persona_named or false,
    draft.persona,
    added,
    now,
  }
  if lease then
    add_lease(values, lease)
  end
  local last = #values
  values[last + 1], values[last + 2] = draft.id, user_id
  values[last + 3] = draft.session_id
  if lease then
    values[last + 4], values[last + 5] = draft.version, lease.node
  end
  return { lease and SQL_UPDATE_TAKEN or SQL_UPDATE_ALONE, values, expect = 1 }
end

local SQL_INSERT_MESSAGE = "INSERT INTO chat_messages (user_id, session_row, "
  .. "role, status, parent_id, content, model_name, file_ids, created_at, "
  .. "updated_at%s) VALUES (?, ?, "
local SQL_INSERT_QUESTION = SQL_INSERT_MESSAGE:format("")
  .. "'user', 'complete', ?, ?, ?, ?, ?, ?)"
local SQL_INSERT_REPLY = SQL_INSERT_MESSAGE:format("")
  .. "'assistant', 'streaming', ?, '', ?, '[]', ?, ?)"

--- Of a turn with a number: its node alone writes to the reply.
local SQL_INSERT_REPLY_OF_TURN = SQL_INSERT_MESSAGE:format(", turn_epoch")
  .. "'assistant', 'streaming', ?, '', ?, '[]', ?, ?, ?)"

--- Whether this turn is within what its user may have running on all servers.
--- Those that begin at the same moment take turns, as writes with the same
--- `user` do, so each sees what was stored until then.
local SQL_CHECK_REPLIES = "UPDATE users SET session_count = session_count "
  .. "WHERE id = ?1 AND (SELECT COUNT(*) FROM chat_sessions "
  .. "WHERE user_id = ?1 AND turn_node IS NOT NULL) <= ?2"

---@class TurnRows what a turn adds to its session
---@field model_name? string that answers; nil = the session's
---@field message? string the user's; nil = a new reply to `reply_to`
---@field file_ids? integer[] attached to the message
---@field parent_id? integer what the message follows; nil = it is a root
---@field reply_to? integer id of the user message that is answered again
---@field lease? tide.TurnLease what QueuePlace:lease() tells; without `epoch`
--- when no reply is to run; nil on a server alone
---@field stored_with? fun(message_id: any): table[] statements for the same
--- commit, run after these rows; the argument stands for the assistant's id

---@class SavedTurn
---@field session_row integer
---@field user_message_id integer
---@field message_id integer the assistant's

--- Why the beginning of a turn was not stored.
---@param user_id integer
---@param draft SessionDraft
---@param shared boolean
---@param err tide.Error of the write
---@return tide.Error
local function unsaved(user_id, draft, shared, err)
  if shared and err.statement == 1 and turn_lease.is_outdated(err) then
    return turn_lease.outdated()
  end
  local others = err.code == "duplicate" and err.statement == 1
  if shared and (others or err.code == "unexpected_changes") then
    local version, failed = M.get_version(user_id, draft.session_id)
    if version or failed then
      return failed or errors.new("turn_taken")
    end
  end
  if others then
    return errors.new("session_not_found")
  elseif err.code == "unexpected_changes" then
    return errors.new("session_deleted")
  end
  return err
end

--- Stores the beginning of a turn in one transaction: the session (made or
--- changed), the user's message if it is a new one, and the empty reply that
--- is about to run.
---@param user_id integer
---@param draft SessionDraft what the session is from this turn on
---@param turn TurnRows
---@return SavedTurn|nil saved, tide.Error|nil err session_not_found (the id is
--- another user's), session_deleted (since it was read), turn_taken (a node has
--- changed the session since it was read), scripts_outdated (this node must
--- change its scripts first), too_many_replies (on all servers)
function M.save_chat_message(user_id, draft, turn)
  local now = time.now()
  local added = turn.reply_to and 1 or 2
  local model_name = turn.model_name or draft.model_name
  -- The user's own: the first statement changes it as such, or makes it.
  local session_row = draft.id or db.id_of(1)
  draft.message_count = draft.message_count + added
  local statements = {
    draft.id and update_session(user_id, draft, added, now, turn.lease)
      or insert_session(user_id, draft, now, turn.lease),
  }
  if not turn.reply_to then
    statements[2] = {
      SQL_INSERT_QUESTION,
      {
        user_id,
        session_row,
        turn.parent_id or json.null,
        turn.message,
        model_name,
        turn.file_ids and json.encode(json.array(turn.file_ids)) or "[]",
        now,
        now,
      },
    }
  end
  local epoch = turn.lease and turn.lease.epoch
  statements[#statements + 1] = {
    epoch and SQL_INSERT_REPLY_OF_TURN or SQL_INSERT_REPLY,
    {
      user_id,
      session_row,
      turn.reply_to or db.id_of(2),
      model_name,
      now,
      now,
      epoch,
    },
  }
  local last = #statements
  local counted = not draft.id and (draft.source or M.CHAT) == M.CHAT
  if counted then
    statements[#statements + 1] = count_session(user_id)
  end
  local limited
  if epoch and turn.lease.replies_max then
    limited = #statements + 1
    statements[limited] = {
      SQL_CHECK_REPLIES,
      { user_id, turn.lease.replies_max },
      expect = 1,
    }
  end
  local more = turn.stored_with and turn.stored_with(db.id_of(last)) or {}
  for _, statement in ipairs(more) do
    statements[#statements + 1] = statement
  end
  -- A session begins one turn at a time.
  local outcomes, err = db.write(statements, {
    independent = #more == 0,
    user = (counted or limited) and user_id or nil,
  })
  if not outcomes then
    if err.code == "unexpected_changes" and err.statement == limited then
      return nil, errors.new("too_many_replies")
    end
    return nil, unsaved(user_id, draft, turn.lease ~= nil, err)
  end
  return {
    session_row = draft.id or outcomes[1].id,
    user_message_id = turn.reply_to or outcomes[2].id,
    message_id = outcomes[last].id,
  }
end

--- Changes a session's title, persona or model.
---@param user_id integer
---@param session_id string
---@param changes {title?: string, persona?: string, model_name?: string}
---@return table|nil row of chat_sessions, tide.Error|nil err session_not_found
function M.update_chat_session(user_id, session_id, changes)
  local outcomes, err = db.write({
    {
      "UPDATE chat_sessions SET " .. sql.changes(CHANGEABLE)
        .. ", version = version + 1, updated_at = ? "
        .. "WHERE user_id = ? AND session_id = ?",
      sql.values(CHANGEABLE, changes, time.now(), user_id, session_id),
      expect = 1,
    },
  })
  if not outcomes then
    local unknown = err.code == "unexpected_changes"
    return nil, unknown and errors.new("session_not_found") or err
  end
  return M.get_chat_session(user_id, session_id)
end

--- Gives a session another title, unless it has been renamed meanwhile.
---@param user_id integer
---@param session_id string
---@param title string
---@param old_title string the one that is replaced
---@return boolean|nil replaced, tide.Error|nil err
function M.update_session_title(user_id, session_id, title, old_title)
  local outcomes, err = db.write({
    {
      "UPDATE chat_sessions SET title = ?, version = version + 1, "
        .. "updated_at = ? "
        .. "WHERE user_id = ? AND session_id = ? AND title = ?",
      { title, time.now(), user_id, session_id, old_title },
    },
  })
  return outcomes and outcomes[1].changes == 1, err
end

--- What a session's end takes off its owner's numbers: user, session id.
local SQL_UNCOUNT = [[
UPDATE users SET session_count = session_count
    - (SELECT COUNT(*) FROM chat_sessions
       WHERE user_id = ?1 AND session_id = ?2 AND source = 'chat'),
  file_bytes = file_bytes - (SELECT coalesce(SUM(f.file_size), 0)
    FROM chat_sessions AS s JOIN uploaded_files AS f ON f.session_row = s.id
    WHERE s.user_id = ?1 AND s.session_id = ?2)
WHERE id = ?1 AND EXISTS (SELECT 1 FROM chat_sessions
  WHERE user_id = ?1 AND session_id = ?2)]]

--- Deletes a session: with the commit it is nobody's, so that no statement
--- finds it, its messages or its files, and its id is free. Their rows and
--- bytes follow in small steps (core/chat/deleted_sessions.h). The running
--- reply and waiting turns end.
---@param user_id integer
---@param session_id string
---@return true|nil ok, tide.Error|nil err session_not_found
function M.delete_chat_session(user_id, session_id)
  local outcomes, err = db.write({
    { SQL_UNCOUNT, { user_id, session_id }, expect = 1 },
    {
      "UPDATE chat_sessions SET user_id = NULL, session_id = NULL "
        .. "WHERE user_id = ? AND session_id = ?",
      { user_id, session_id },
      expect = 1,
    },
  }, { use_reserve = true, user = user_id })
  if not outcomes then
    local unknown = err.code == "unexpected_changes"
    return nil, unknown and errors.new("session_not_found") or err
  end
  -- Only now: a delete that failed must not end a reply.
  llm.stop(user_id, session_id, "session_deleted")
  cache.forget_session(user_id, session_id)
  return true
end

return M
