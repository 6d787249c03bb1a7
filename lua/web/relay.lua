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
local nodes = require "tide.nodes"
local time = require "tide.time"

local M = {}

--- Whether there may be other nodes at all.
M.is_shared = nodes.is_shared()

--- ms between two looks at who owns a session, and how long, after the lease of
--- an owner that does not answer, it is still waited for.
local LOOK_MS = 100
local GRACE_MS = 3000

--- ms between two looks for a node that has changed its scripts.
local SOON_MS = 20

--- `req:relay(node, target)` passes a request on to the private listener of a
--- node, whose answer goes to the client as it comes. Afterwards nothing may
--- wait. The target is that of a GET instead of this request, whose events
--- continue an answer that broke off. It returns what the handler returns then;
--- or nil and node_unreachable (that node has got nothing), node_gone (it may
--- have begun), not_owner (it does not want it) or client_gone, and the last
--- event that the client has got, if the answer broke off.
---@class OwnedRequest: tide.Request
---@field relay function

--- What a turn's rows are stored with when two nodes may get the request: on
--- the node that it was passed on to, and on the one that goes on because that
--- node did not answer.
---@param req tide.Request changed: node_key
function M.set_key(req)
  req.node_key = "node-" .. req.id
end

--- Another node has answered, or what it began goes on here; or nobody owns the
--- session.
---@async
---@param req OwnedRequest with its user
---@param route tide.Route with `owner`
---@return tide.Response|nil response nil and no error: it is answered here
---@return tide.Error|nil err node_unreachable, client_gone, those of the
--- owner's go_on
function M.answer(req, route)
  local owner = route.owner
  local session_id = owner.session_id(req, route)
  local last, ends
  while session_id do
    local node, unknown = nodes.owner_of_session(req.user.id, session_id)
    if unknown then
      return nil, unknown
    elseif not node then
      break
    end
    local response, err, at =
      req:relay(node, last and owner.rest(session_id, last))
    if response then
      return response
    end
    ends = not at and ends
      or time.mono_ms() + config.get("nodes.lease") + GRACE_MS
    last = at or last
    if err.code == "client_gone" then
      return nil, errors.new(err.code)
    elseif err.code == "node_gone" then
      M.set_key(req)
    end
    if time.mono_ms() > ends then
      local unreachable = errors.new("node_unreachable")
      unreachable.retry_after = 1
      return nil, unreachable
    end
    time.sleep(LOOK_MS)
  end
  if last then
    return owner.go_on(req, route, session_id, last)
  end
end

--- A request that wanted to begin a turn with scripts that do not serve any
--- more goes to a node with those that do: this one, when it has changed them.
---@async
---@param req OwnedRequest
---@param outdated tide.Error scripts_outdated: it is told when there is none
---@return tide.Response|nil response, tide.Error|nil err
function M.pass_on(req, outdated)
  local ends = time.mono_ms() + config.get("nodes.lease") + GRACE_MS
  M.set_key(req)
  while req.user and time.mono_ms() < ends do
    local node = nodes.with_current_scripts()
    local response, err
    if node then
      response, err = req:relay(node)
    end
    if response then
      return response
    elseif err and err.code == "client_gone" then
      return nil, errors.new(err.code)
    end
    time.sleep(SOON_MS)
  end
  return nil, outdated
end

return M
