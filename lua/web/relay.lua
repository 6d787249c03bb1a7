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

--- Which node is to do it.
---@async
---@param req OwnedRequest
---@param session_id string|nil
---@param outdated boolean this one's scripts do not serve any more
---@return tide.Node|nil node nil: none, or this one
---@return tide.Error|nil err
local function find_node(req, session_id, outdated)
  local node, err
  if session_id then
    node, err = nodes.owner_of_session(req.user.id, session_id)
  end
  if not node and not err and outdated then
    node, err = nodes.with_current_scripts()
  end
  return node, err
end

--- Another node has answered, or what it began goes on here; or nobody owns the
--- session. A request that wanted to begin a turn with scripts that do not
--- serve any more goes to a node with those that do: this one, when it has
--- changed them.
---@async
---@param req OwnedRequest with its user
---@param route tide.Route with `owner`, unless it is `outdated`
---@param outdated? tide.Error scripts_outdated: it is told when there is none
---@return tide.Response|nil response nil and no error: it is answered here
---@return tide.Error|nil err node_unreachable, client_gone, node_gone, those of
--- the owner's go_on
function M.answer(req, route, outdated)
  local owner = route.owner
  local session_id = owner and owner.session_id(req, route)
  local last, ends
  while session_id or outdated do
    local elsewhere = outdated ~= nil and not last
    local node, unknown = find_node(req, session_id, elsewhere)
    if unknown then
      return nil, unknown
    elseif not node and not elsewhere then
      break
    end
    local response, err, at
    if node then
      response, err, at =
        req:relay(node, last and owner.rest(session_id, last))
    end
    local code = err and err.code
    if response then
      return response
    elseif code == "client_gone" or code == "node_gone" and not owner then
      return nil, errors.new(code)
    elseif code == "node_gone" then
      M.set_key(req)
    end
    if at or not ends then
      ends = time.mono_ms() + config.get("nodes.lease") + GRACE_MS
    end
    last = at or last
    if time.mono_ms() > ends then
      local unreachable = errors.new("node_unreachable")
      unreachable.retry_after = 1
      return nil, outdated or unreachable
    end
    time.sleep(node and LOOK_MS or SOON_MS)
  end
  if last then
    return owner.go_on(req, route, session_id, last)
  end
end

return M
