--- Replies on their way: coming back to one, what there is so far, and how to
--- end one.

local body_limits = require "web.body_limits"
local chat = require "chat.chat"
local errors = require "lib.errors"
local fields = require "web.fields"
local llm = require "tide.llm"
local objects = require "web.objects"
local owner = require "chat.owner"
local resume = require "chat.resume"
local texts = require "lib.texts"
local tool_steps = require "chat.tool_steps"
local turns = require "chat.turns"

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
  if not running and req.node_key then
    running, err = resume.newest_reply(user_id, session) -- its node has died
  end
  if err then
    return nil, err
  end
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

--- The row of a reply that may go on.
---@param req tide.Request
---@param status "waiting"|"interrupted"
---@return table|nil row, tide.Error|nil err session_not_found,
--- message_not_found, nothing_to_continue
local function get_continuable(req, status)
  local session, unknown =
    chat.get_chat_session(req.user.id, req.args.session_id)
  if not session then
    return nil, unknown
  end
  local row, err =
    resume.get_row(req.user.id, session.id, req.body.message_id)
  if not row then
    return nil, err
  elseif row.status ~= status or not tool_steps.ends_in_calls(row) then
    return nil, errors.new("nothing_to_continue")
  end
  return row
end

--- Goes on, and says where: the client reads the rest from there.
---@async
---@param req tide.Request
---@param row table
---@param decisions table<string, boolean>
---@return tide.Response|nil response, tide.Error|nil err
local function go_on(req, row, decisions)
  local position = #row.content + #row.reasoning + #row.tool_calls + #row.steps
  local reply, err = turns.continue(
    req.user.id,
    req.args.session_id,
    row,
    decisions,
    req
  )
  if not reply then
    return nil, err
  end
  return {
    json = {
      message_id = row.id,
      after = ("%d.%d"):format(row.id, position),
    },
  }
end

function handlers.approve(req)
  local row, err = get_continuable(req, "waiting")
  if not row then
    return nil, err
  end
  local decisions = {}
  for _, call in ipairs(tool_steps.waiting(row)) do
    decisions[call.id] = req.body.approve
  end
  for _, decision in ipairs(req.body.calls or {}) do
    if decisions[decision.id] == nil then
      return nil, errors.new("invalid_field", {
        field = "calls",
        reason = texts.get(req.language, "no_waiting_call"),
      })
    end
    decisions[decision.id] = decision.approve
  end
  return go_on(req, row, decisions)
end

function handlers.continue(req)
  local row, err = get_continuable(req, "interrupted")
  if not row then
    return nil, err
  end
  return go_on(req, row, {})
end

local GOES_ON = objects.object({ message_id = "integer", after = "string" })

local SESSION_ID = { fields = { fields.name("session_id") } }

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/chat/sessions/:session_id/stream",
    auth = "user",
    owner = owner,
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
    owner = owner,
    summary = "The text of the latest reply that no client has received",
    query = SESSION_ID,
    response = objects.object({ cached_response = "string" }),
    handler = handlers.recover,
  },
  {
    method = "POST",
    path = "/api/chat/sessions/:session_id/stop",
    auth = "user",
    owner = owner,
    summary = "Stop the running reply and store its text",
    params = SESSION_ID,
    body_max = body_limits.SHORT,
    request = { fields = {} },
    response = objects.object({ stopped = "boolean", message_id = "integer" }),
    handler = handlers.stop,
  },
  {
    method = "POST",
    path = "/api/chat/sessions/:session_id/approve",
    auth = "user",
    owner = owner,
    summary = "Allow, or refuse, the tool calls that a reply waits with",
    params = SESSION_ID,
    body_max = body_limits.FORM,
    request = {
      fields = {
        { name = "message_id", type = "integer", required = true, min = 1 },
        { name = "approve", type = "boolean", required = true },
        { -- what differs from `approve`
          name = "calls",
          type = "array",
          max = 100,
          items = {
            type = "object",
            fields = {
              { name = "id", type = "string", required = true, max = 200 },
              { name = "approve", type = "boolean", required = true },
            },
          },
        },
      },
    },
    response = GOES_ON,
    handler = handlers.approve,
  },
  {
    method = "POST",
    path = "/api/chat/sessions/:session_id/continue",
    auth = "user",
    owner = owner,
    summary = "Go on with a reply that was cut off between two of its steps",
    params = SESSION_ID,
    body_max = body_limits.SHORT,
    request = {
      fields = {
        { name = "message_id", type = "integer", required = true, min = 1 },
      },
    },
    response = GOES_ON,
    handler = handlers.continue,
  },
}
