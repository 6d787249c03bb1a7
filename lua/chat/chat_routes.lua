--- Talking: make a session, send a message, get the reply whole or streamed.

local body_limits = require "web.body_limits"
local chat_objects = require "chat.objects"
local fields = require "web.fields"
local idempotency = require "web.idempotency"
local llm_session = require "chat.llm_session"
local model_options = require "models.model_options"
local objects = require "web.objects"
local owner = require "chat.owner"
local send_once = require "chat.send_once"
local session_manager = require "chat.session_manager"
local tool_calls = require "providers.tool_calls"
local tool_steps = require "chat.tool_steps"

--- What both ways of sending take. That `message` is there, or files instead
--- of it, is checked by chat/turns.
local SEND = {
  fields = {
    {
      name = "session_id",
      type = "string",
      required = true,
      max = 50,
      pattern = "^[A-Za-z0-9_-]+$",
    },
    fields.model_name(),
    { name = "message", type = "string" },
    fields.line("persona", 100),
    { -- instead of the persona's, for this message
      name = "system_prompt",
      type = "string",
      max = 32000,
      empty_is_absent = true,
    },
    {
      name = "file_ids",
      type = "array",
      max = 100,
      items = { type = "integer", min = 1 },
    },
    fields.override_url(),
    { name = "parent_id", type = "integer", min = 0 },
    { name = "regenerate", type = "integer", min = 1 },
    fields.tools(),
    {
      name = "tool_choice",
      type = "string",
      enum = { "auto", "none", "required" },
    },
    model_options.field(model_options.deadlines_field()),
  },
}

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.create_session(req)
  local row, err =
    session_manager.create_session(req.user.id, req.body, req.language)
  if not row then
    return nil, err
  end
  return { json = { session_id = row.session_id } }
end

--- The session that a request speaks in.
---@param req tide.Request
---@return LlmSession
local function talk(req)
  local session = llm_session.new(req.user.id, req.language, req)
  session:set_session_id(req.body.session_id)
  session:set_system_prompt(req.body.system_prompt)
  return session
end

function handlers.send(req)
  local result, err
  if req.node_key then
    result, err = send_once.whole(req, req.node_key, talk(req))
  else
    result, err = talk(req):send_message(req.body)
  end
  if not result then
    return nil, err
  end
  return {
    json = {
      response = result.content,
      reasoning = result.reasoning,
      finish_reason = result.finish_reason,
      message_id = result.message_id,
      user_message_id = result.user_message_id,
      usage = result.usage,
      file_ids = result.file_ids,
      tool_calls = tool_calls.field(result.tool_calls),
      status = result.status == "waiting" and "waiting" or nil,
      steps = tool_steps.field(result.steps),
    },
  }
end

function handlers.send_stream(req)
  local key = req:header(idempotency.HEADER) or req.node_key
  if key then
    return send_once.stream(req, key, talk(req))
  end
  local reply, err = talk(req):send_message_stream(req.body)
  if not reply then
    return nil, err
  end
  return { stream = reply }
end

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/api/chat/session",
    auth = "user",
    summary = "Create a session",
    body_max = body_limits.FORM,
    request = {
      fields = {
        fields.model_name(),
        fields.line("persona", 100),
        fields.override_url(),
        model_options.field(model_options.deadlines_field()),
      },
    },
    response = objects.object({ session_id = "string" }),
    handler = handlers.create_session,
  },
  {
    method = "POST",
    path = "/api/chat/message",
    auth = "user",
    owner = owner,
    idempotent = true,
    summary = "Send a message and wait for the whole reply",
    request = SEND,
    response = objects.object({
      response = "string",
      reasoning = "string",
      finish_reason = "string",
      message_id = "integer",
      user_message_id = "integer",
      usage = chat_objects.usage_schema,
      file_ids = objects.list({ type = "integer" }),
      tool_calls = chat_objects.tool_calls_schema,
      status = "string",
      steps = chat_objects.steps_schema,
    }),
    handler = handlers.send,
  },
  {
    method = "POST",
    path = "/api/chat/message/stream",
    auth = "user",
    owner = owner,
    idempotent = "reply",
    summary = "Send a message and get the reply as Server-Sent Events",
    request = SEND,
    answer = "Server-Sent Events, see streaming.md",
    handler = handlers.send_stream,
  },
}
