--- Replies on their way: coming back to one, what there is so far, and how to
--- end one.

local body_limits = require "web.body_limits"
local chat = require "chat.chat"
local errors = require "lib.errors"
local fields = require "web.fields"
local llm = require "tide.llm"
local objects = require "web.objects"
local resume = require "chat.resume"
local texts = require "lib.texts"

---@type table<string, fun(req: tide.Request)>
local handlers = {}

---@param req tide.Request
---@param field string where the position came from
---@param reason string key of lib/texts
---@return nil, tide.Error
local function invalid(req, field, reason)
  return nil, errors.new("invalid_field", {
    field = field,
    reason = texts.get(req.language, reason),
  })
end

--- Where a client wants to go on. The header wins: an EventSource that comes
--- back sends it to the address, with the older position, that it began with.
---@param req tide.Request
---@return string|nil position "<message_id>.<seq>", nil = none was given
---@return string field where it came from
local function wanted_position(req)
  local header = req:header("Last-Event-ID")
  if header and header ~= "" then
    return header, "Last-Event-ID"
  end
  return req.args.after, "after"
end

--- Longer numbers are none that a frame ever had.
local POSITION = "^(%d+)%.(%d+)$"
local DIGITS_MAX = 15

function handlers.resume(req)
  local user_id, session_id = req.user.id, req.args.session_id
  local wanted, field = wanted_position(req)
  if not wanted then
    local session, unknown = chat.get_chat_session(user_id, session_id)
    if not session then
      return nil, unknown
    end
    local running = llm.find(user_id, session_id)
    return running and { stream = running } or { status = 204 }
  end
  local id, seq = wanted:match(POSITION)
  if not id or #id > DIGITS_MAX or #seq > DIGITS_MAX then
    return invalid(req, field, "bad_position")
  end
  local position = math.tointeger(tonumber(seq))
  local reply, err = resume.get_reply(
    user_id,
    session_id,
    math.tointeger(tonumber(id))
  )
  if not reply then
    return nil, err
  elseif reply:splits(position) then
    return invalid(req, field, "inside_character")
  end
  return { stream = reply, after = position }
end

function handlers.recover(req)
  local text, err =
    resume.get_undelivered(req.user.id, req.args.session_id)
  if not text then
    return nil, err
  end
  return { json = { cached_response = text } }
end

function handlers.stop(req)
  local user_id, session_id = req.user.id, req.args.session_id
  local session, err = chat.get_chat_session(user_id, session_id)
  if not session then
    return nil, err
  end
  local stopped, message_id = llm.stop(user_id, session_id)
  return { json = { stopped = stopped, message_id = message_id } }
end

local SESSION_ID = { fields = { fields.name("session_id") } }

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/chat/sessions/:session_id/stream",
    auth = "user",
    summary = "Come back to a reply, from a position on",
    params = SESSION_ID,
    query = {
      fields = {
        { name = "after", type = "string", max = 100, empty_is_absent = true },
      },
    },
    answer = "Server-Sent Events, see streaming.md; 204 when no reply runs",
    handler = handlers.resume,
  },
  {
    method = "GET",
    path = "/api/chat/recover",
    auth = "user",
    summary = "The text of the latest reply that no client has received",
    query = SESSION_ID,
    response = objects.object({ cached_response = "string" }),
    handler = handlers.recover,
  },
  {
    method = "POST",
    path = "/api/chat/sessions/:session_id/stop",
    auth = "user",
    summary = "Stop the running reply and store its text",
    params = SESSION_ID,
    body_max = body_limits.SHORT,
    request = { fields = {} },
    response = objects.object({ stopped = "boolean", message_id = "integer" }),
    handler = handlers.stop,
  },
}
