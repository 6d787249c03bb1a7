--- Replies on their way: what there is so far, and how to end one.

local chat = require "services.chat"
local errors = require "lib.errors"
local fields = require "lib.fields"
local llm = require "tide.llm"
local objects = require "lib.objects"

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.recover(req)
  local reply = llm.find(req.user.id, req.args.session_id)
  if not reply then
    return nil, errors.new("nothing_to_recover")
  end
  return { json = { cached_response = reply:text() } }
end

function handlers.stop(req)
  local user_id, session_id = req.user.id, req.args.session_id
  local session, err = chat.get_chat_session(user_id, session_id)
  if not session then
    return nil, err
  end
  local message_id = llm.stop(user_id, session_id)
  return {
    json = { stopped = message_id ~= nil, message_id = message_id },
  }
end

local SESSION_ID = { fields = { fields.name("session_id") } }

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/chat/recover",
    auth = "user",
    summary = "The text so far of the reply in flight",
    query = SESSION_ID,
    response = objects.object({ cached_response = "string" }),
    handler = handlers.recover,
  },
  {
    method = "POST",
    path = "/api/chat/sessions/:session_id/stop",
    auth = "user",
    summary = "Stop the reply in flight, keeping its text",
    params = SESSION_ID,
    request = { fields = {} },
    response = objects.object({ stopped = "boolean", message_id = "integer" }),
    handler = handlers.stop,
  },
}
