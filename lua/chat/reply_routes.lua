--- Replies on their way: coming back to one, what there is so far, and how to
--- end one.

local body_limits = require "web.body_limits"
local chat = require "chat.chat"
local fields = require "web.fields"
local llm = require "tide.llm"
local objects = require "web.objects"
local resume = require "chat.resume"

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.resume(req)
  local user_id, session_id = req.user.id, req.args.session_id
  local response, err = resume.follow(req, session_id)
  if response or err then
    return response, err
  end
  local session, unknown = chat.get_chat_session(user_id, session_id)
  if not session then
    return nil, unknown
  end
  local running = llm.find(user_id, session_id)
  return running and { stream = running } or { status = 204 }
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
