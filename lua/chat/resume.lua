--- Replies for those who come back to them, while they run and afterwards.
--- A stored reply becomes a log again (llm.restore), so that positions mean
--- the same before and after its end.

local chat = require "chat.chat"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"
local texts = require "lib.texts"
local time = require "tide.time"
local turn_lease = require "chat.turn_lease"

local M = {}

--- Longer numbers are none that a frame ever had.
local DIGITS_MAX = 15

---@class ReplyPlace where a client wants to go on
---@field message_id integer
---@field position integer
---@field ended boolean it has got the end frame

--- Reads the id of a frame: "<message_id>.<seq>", ".end" behind that of the
--- end frame.
---@param id string
---@return ReplyPlace|nil place nil when it is none
local function read_id(id)
  local message_id, seq, ended = id:match("^(%d+)%.(%d+)(%.?%a*)$")
  if
    not message_id
    or #message_id > DIGITS_MAX
    or #seq > DIGITS_MAX
    or (ended ~= "" and ended ~= ".end")
  then
    return nil
  end
  return {
    message_id = math.tointeger(tonumber(message_id)),
    position = math.tointeger(tonumber(seq)),
    ended = ended ~= "",
  }
end

--- Why a place is none.
---@param req tide.Request
---@param field string where it came from
---@param reason "bad_position"|"inside_character"
---@return tide.Error
local function invalid(req, field, reason)
  return errors.new("invalid_field", {
    field = field,
    reason = texts.get(req.language, reason),
  })
end

--- Where a client wants to go on. The header wins over the argument: an
--- EventSource that comes back sends it to the address, with the older
--- position, that it began with.
---@param req tide.Request
---@return string|nil id of a frame, nil = none was given
---@return "Last-Event-ID"|"after" field where it came from
local function wanted_id(req)
  local header = req:header("Last-Event-ID")
  if header and header ~= "" then
    return header, "Last-Event-ID"
  end
  return req.args.after, "after"
end

--- A row that says `streaming` while no reply runs is about to change: its
--- reply has just begun, or its end was committed after the row was read.
local LOOKS = 40
local LOOK_MS = 25

local SQL_ROW = "SELECT id, parent_id, role, content, reasoning, tool_calls, "
  .. "steps, model_name, file_ids, "
  .. "runs, status, finish_reason, error_code, usage, updated_at "
  .. "FROM chat_messages "
  .. "WHERE id = ? AND session_row = ? AND user_id = ?"

--- The row of a reply that has ended.
---@param user_id integer
---@param session_row integer
---@param message_id integer
---@return table|nil row, tide.Error|nil err message_not_found
function M.get_row(user_id, session_row, message_id)
  local row, err = db.one(SQL_ROW, { message_id, session_row, user_id })
  if not row or row.role ~= "assistant" then
    return nil, err or errors.new("message_not_found")
  end
  return row
end

--- What the core needs of a row.
---@param user_id integer
---@param row table of SQL_ROW
---@return tide.StoredReply
function M.stored(user_id, row)
  local usage = row.usage and json.decode(row.usage) or {}
  return {
    message_id = row.id,
    user_message_id = row.parent_id,
    user_id = user_id,
    content = row.content,
    reasoning = row.reasoning,
    tool_calls = row.tool_calls,
    steps = row.steps,
    runs = row.runs,
    file_ids = row.file_ids,
    images = row.images,
    status = row.status,
    finish_reason = row.finish_reason,
    error_code = row.error_code,
    input_tokens = usage.input_tokens,
    output_tokens = usage.output_tokens,
    cached_tokens = usage.cached_tokens,
    reasoning_tokens = usage.reasoning_tokens,
    estimated = usage.estimated,
    attempts = usage.attempts or (row.usage and 1),
    possibly_charged_twice = usage.possibly_charged_twice,
    images_left_out = usage.images_left_out,
    ended_us = time.parse(row.updated_at),
  }
end

--- The reply that a row holds.
---@param user_id integer
---@param row table of SQL_ROW
---@return tide.Reply|nil reply, tide.Error|nil err busy
function M.restore(user_id, row)
  return llm.restore(M.stored(user_id, row))
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
      return M.restore(user_id, row)
    end
    local reply = llm.find_message(user_id, message_id)
    if reply then
      return reply
    end
    local free, elsewhere = turn_lease.wait(user_id, session_id)
    if not free then
      return nil, elsewhere
    end
    time.sleep(LOOK_MS)
  end
  return nil, errors.new("busy")
end

local SQL_NEWEST = "SELECT id, role FROM chat_messages "
  .. "WHERE session_row = ? AND user_id = ? ORDER BY id DESC LIMIT 1"

--- The reply that is a session's newest message, running or ended.
---@param user_id integer
---@param session table row of the session
---@return tide.Reply|nil reply nil and no error: that is no reply
---@return tide.Error|nil err those of get_reply
function M.newest_reply(user_id, session)
  local row, err = db.one(SQL_NEWEST, { session.id, user_id })
  if not row or row.role ~= "assistant" then
    return nil, err
  end
  return M.get_reply(user_id, session.session_id, row.id)
end

--- The answer that tells a client the rest of a reply.
---@param req tide.Request
---@param session_id string
---@param message_id? integer of the reply, when it is known; it begins at 0
--- then if the client gives no place
---@return tide.Response|nil response nil and no error: nobody said which reply
---@return tide.Error|nil err those of get_reply, invalid_field
function M.follow(req, session_id, message_id)
  local id, field = wanted_id(req)
  local place = { message_id = message_id, position = 0, ended = false }
  if id then
    place = read_id(id)
    if not place or (message_id or place.message_id) ~= place.message_id then
      return nil, invalid(req, field, "bad_position")
    end
  elseif not message_id then
    return nil
  end
  local reply, err =
    M.get_reply(req.user.id, session_id, place.message_id)
  if not reply then
    return nil, err
  elseif reply:splits(place.position) then
    return nil, invalid(req, field, "inside_character")
  elseif place.ended then
    return { status = 204 } -- an end frame comes after the commit
  end
  return { stream = reply, after = place.position }
end

--- The rest of a reply's stream, behind the last frame that was sent.
---@param user_id integer
---@param session_id string
---@param id string of that frame
---@return tide.Response|nil response
---@return tide.Error|nil err those of get_reply
function M.go_on(user_id, session_id, id)
  local place = read_id(id)
  if not place then
    return nil, errors.new("message_not_found")
  elseif place.ended then
    return { status = 204 }
  end
  local reply, err = M.get_reply(user_id, session_id, place.message_id)
  if not reply then
    return nil, err
  end
  return { stream = reply, after = place.position }
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
