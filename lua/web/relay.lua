--- Which of several servers answers a request. A running reply belongs to the
--- node on which it began; what concerns its session is passed on to that node,
--- through whichever of them it comes. A route says so with `owner`; everything
--- else, and a session in which nothing runs, is answered where it arrives.
---
--- When the owner is gone, this node waits until the owner's lease is over, and
--- goes on by itself. A stream that had begun continues behind the last event
--- that the client has got, from the stored row or from the next owner.

local config = require "tide.config"
local errors = require "lib.errors"
local idempotency = require "web.idempotency"
local nodes = require "tide.nodes"
local resume = require "chat.resume"
local text = require "tide.text"
local time = require "tide.time"

local M = {}

--- Whether there may be other nodes at all.
M.is_shared = nodes.is_shared()

--- ms between two looks at who owns a session, and how long, after the lease of
--- an owner that does not answer, it is still waited for.
local LOOK_MS = 100
local GRACE_MS = 3000

--- What is read of a body before it is known who answers.
local BODY = { fields = { { name = "session_id", type = "string" } } }

---@class OwnedBy how a route names what has an owner
---@field session_id fun(req: tide.Request, route: tide.Route): string|nil
---@field rest fun(session_id: string, last: string|integer): string target of
--- the stream behind an event
---@field go_on fun(req: tide.Request, route: tide.Route, session_id: string, last: string|integer): tide.Response|nil, tide.Error|nil
--- that stream, when this node has it

---@type table<string, OwnedBy>
local KINDS = {}

KINDS.session = {
  session_id = function(req, route)
    local id = req.params.session_id or req.query.session_id
    if not id and route.request then
      local body = req:read_json(BODY)
      id = body and body.session_id
    end
    return id
  end,
  rest = function(session_id, last)
    return ("/api/chat/sessions/%s/stream?after=%s"):format(
      text.url_encode(session_id),
      last
    )
  end,
  go_on = function(req, _, session_id, last)
    return resume.go_on(req.user.id, session_id, last)
  end,
}

KINDS.response = {
  session_id = function(req)
    return req.params.response_id
  end,
  rest = function(response_id, last)
    return ("/v1/responses/%s?stream=true&starting_after=%d"):format(
      text.url_encode(response_id),
      last
    )
  end,
  go_on = function(req, route, response_id, last)
    req.args = {
      response_id = response_id,
      stream = "true",
      starting_after = last,
    }
    return route.handler(req)
  end,
}

--- Whether a request may be carried out though another node has perhaps begun
--- with it: a turn would be there twice, unless its key is stored with it.
---@param req tide.Request
---@param route tide.Route
---@return boolean
local function is_repeatable(req, route)
  return not route.idempotent
    or route.idempotent == "reply" and req:header(idempotency.HEADER) ~= nil
end

--- Another node has answered, or what it began goes on here; or nobody owns the
--- session.
---@async
---@param req tide.Request with its user
---@param route tide.Route with `owner`
---@return tide.Response|nil response nil and no error: it is to be answered here
---@return tide.Error|nil err node_gone, node_unreachable, client_gone, those of
--- resume.go_on
function M.answer(req, route)
  local kind = KINDS[route.owner]
  local session_id = kind.session_id(req, route)
  local last, ends
  while session_id do
    local node, unknown = nodes.owner_of_session(req.user.id, session_id)
    if unknown then
      return nil, unknown
    elseif not node then
      break
    end
    local response, err, at =
      req:relay(node, last and kind.rest(session_id, last))
    if response then
      return response
    end
    ends = not at and ends
      or time.mono_ms() + config.get("nodes.lease") + GRACE_MS
    last = at or last
    if
      err.code == "client_gone"
      or err.code == "node_gone" and not last and not is_repeatable(req, route)
    then
      return nil, errors.new(err.code)
    elseif time.mono_ms() > ends then
      local unreachable = errors.new("node_unreachable")
      unreachable.retry_after = 1
      return nil, unreachable
    end
    time.sleep(LOOK_MS)
  end
  if last then
    return kind.go_on(req, route, session_id, last)
  end
end

return M
