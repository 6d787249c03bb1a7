--- Whose turn it is in a session when servers share the database: its row
--- names the node on which a turn runs (turn_node, turn_epoch). A turn takes
--- it with its first write and its end gives it back; only the node that has
--- it may begin another one. A server alone has none of this.

local config = require "tide.config"
local db = require "tide.db"
local errors = require "lib.errors"
local nodes = require "tide.nodes"
local time = require "tide.time"

local M = {}

--- The number of the scripts that begin a turn, as a value in SQL for a new
--- session and a stored one: NULL unless all nodes serve them now, and the turn
--- before had no newer ones. No session is taken with that (a constraint), so a
--- node that has missed a reload begins no turn.
M.FIRST_GENERATION = "(SELECT number FROM script_generations "
  .. "WHERE number = ? AND outcome = 'current')"
local NEXT_GENERATION = "(SELECT number FROM script_generations "
  .. "WHERE number = ? AND outcome = 'current' "
  .. "AND number >= coalesce(turn_generation, 0))"
M.NEXT_GENERATION = NEXT_GENERATION

--- Whether the write failed by that.
---@param err tide.Error of the statement that takes the session
---@return boolean
function M.is_outdated(err)
  return err.code == "constraint"
    and err.message ~= nil
    and err.message:find("turn_generation", 1, true) ~= nil
end

---@return tide.Error
function M.outdated()
  local err = errors.new("scripts_outdated")
  err.retry_after = 1
  return err
end

local LOOK_MS = 100

--- A node that died leaves its sessions when its lease is over; whoever waits
--- waits a little longer.
local BEYOND_LEASE_MS = 1000

--- Waits until no other node has a turn in the session. Nothing is to wait for
--- on a server alone.
---@async
---@param user_id integer
---@param session_id string
---@return true|nil ok
---@return tide.Error|nil err session_busy
function M.wait(user_id, session_id)
  if not nodes.is_shared() then
    return true
  end
  local give_up = time.mono_ms() + config.get("nodes.lease") + BEYOND_LEASE_MS
  while true do
    local owner, err = nodes.owner_of_session(user_id, session_id)
    if err then
      return nil, err
    elseif not owner then
      return true
    elseif time.mono_ms() >= give_up then
      return nil, errors.new("session_busy")
    end
    time.sleep(LOOK_MS)
  end
end

--- Whether a turn may begin here; it has its place in this node's queue. What
--- is passed on to the node that has the session (web/pipeline) finds out with
--- its first write; others wait.
---@async
---@param user_id integer
---@param session_id string
---@param routed boolean it is passed on
---@return true|nil ok
---@return tide.Error|nil err turn_taken, session_busy, node_draining
function M.admit(user_id, session_id, routed)
  if not nodes.is_shared() then
    return true
  elseif not nodes.self().draining then
    if routed then
      return true
    end
    return M.wait(user_id, session_id)
  end
  local other, err = nodes.owner_of_session(user_id, session_id)
  if err then
    return nil, err
  end
  return nil,
    errors.new(other and routed and "turn_taken" or "node_draining")
end

local SQL_ELSEWHERE = "SELECT m.id FROM chat_sessions AS s "
  .. "JOIN chat_messages AS m ON m.session_row = s.id "
  .. "WHERE s.user_id = ? AND s.session_id = ? AND s.turn_node <> ? "
  .. "AND m.status = 'streaming' ORDER BY m.id DESC LIMIT 1"

local SQL_RUNS = "SELECT id FROM chat_messages "
  .. "WHERE id = ? AND user_id = ? AND status = 'streaming'"

--- Tells the node on which a reply runs to stop it (core/app/node_start.c).
local SQL_STOP = "INSERT INTO changes (kind, key) VALUES ('stop', ?)"

--- Stops what runs in a session on another node, and waits for its end.
---@async
---@param user_id integer
---@param session_id string
---@return boolean|nil stopped false: nothing runs elsewhere
---@return integer|tide.Error|nil message_id of the reply; or session_busy: it
--- did not end
function M.stop_elsewhere(user_id, session_id)
  local self = nodes.self()
  if not self then
    return false
  end
  local reply, err = db.one(SQL_ELSEWHERE, { user_id, session_id, self.id })
  if not reply then
    if err then
      return nil, err
    end
    return false
  end
  local key = ("%d %d %s"):format(user_id, reply.id, session_id)
  local told, untold = db.write({ { SQL_STOP, { key } } })
  if not told then
    return nil, untold
  end
  nodes.notify()
  local give_up = time.mono_ms() + config.get("nodes.lease") + BEYOND_LEASE_MS
  while time.mono_ms() < give_up do
    time.sleep(LOOK_MS)
    local runs, failed = db.one(SQL_RUNS, { reply.id, user_id })
    if failed then
      return nil, failed
    elseif not runs then
      return true, reply.id
    end
    nodes.owner_of_session(user_id, session_id) -- what a dead one left ends
  end
  return nil, errors.new("session_busy")
end

--- The statement that takes a stored session for a turn that goes on with one
--- of its replies: message, user.
local SQL_TAKE = "UPDATE chat_sessions SET turn_node = ?, turn_epoch = ?, "
  .. "turn_generation = "
  .. NEXT_GENERATION
  .. ", version = version + 1 WHERE id = (SELECT session_row "
  .. "FROM chat_messages WHERE id = ? AND user_id = ?) "
  .. "AND (turn_node IS NULL OR turn_node = ?)"

---@param lease tide.TurnLease
---@param user_id integer
---@param message_id integer
---@return table statement
function M.taking(lease, user_id, message_id)
  return {
    SQL_TAKE,
    {
      lease.node,
      lease.epoch,
      lease.generation,
      message_id,
      user_id,
      lease.node,
    },
    expect = 1,
  }
end

--- The statement that gives such a reply the number of its turn.
---@param lease tide.TurnLease
---@param message_id integer
---@return table statement
function M.numbering(lease, message_id)
  return {
    "UPDATE chat_messages SET turn_epoch = ? WHERE id = ?",
    { lease.epoch, message_id },
    expect = 1,
  }
end

return M
