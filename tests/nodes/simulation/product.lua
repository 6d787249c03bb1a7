--- The server's own modules for turns (lua/chat), with a database, a clock and
--- nodes that are simulated.

local database = require "database"
local worlds = require "world"

local M = {}

M.USER = 1

local function here()
  return worlds.current.world, worlds.current.node
end

--- ms of the node's own clock, which is fast or slow.
---@param world World
---@param node SimNode
---@return number
function M.clock(world, node)
  return world.now * node.rate
end

--- As tt_node_may_take_over (core/node/node.c).
---@param node SimNode
---@return boolean
local function may_take_over(world, node)
  local now = M.clock(world, node)
  return node.renewed ~= nil
    and now - node.renewed <= worlds.LEASE_MS
    and now - node.unbroken >= worlds.LEASE_MS
end
M.may_take_over = may_take_over

local modules = {}

modules["tide.db"] = {
  id_of = function(n)
    return { id_of = n }
  end,
  one = function(sql, values)
    local rows, err = database.query(sql, values)
    return rows and rows[1], err
  end,
  query = database.query,
  write = function(statements)
    local note = worlds.current.note
    worlds.current.note = nil
    return database.write(statements, note)
  end,
}

modules["tide.time"] = {
  now = function()
    return tostring(here().now)
  end,
  unix_ns = function()
    return (here().now * 1000000) // 1
  end,
  mono_ms = function()
    return M.clock(here())
  end,
  sleep = worlds.sleep,
}

modules["tide.config"] = {
  get = function()
    return worlds.LEASE_MS
  end,
}

--- As nodes_owner_of_session (core/tide/nodes.c).
local function owner_of_session(user_id, session_id)
  local world, node = here()
  local repaired = false
  while true do
    local rows, err = database.query(sim.SQL_OWNER, { user_id, session_id })
    local row = rows and rows[1]
    if not row or row.id == node.id then
      return nil, err
    elseif row.alive ~= 0 or repaired or not may_take_over(world, node) then
      return row
    end
    repaired = true
    if not database.repair(user_id, session_id) then
      return nil, { code = "database_unavailable" }
    end
  end
end

modules["tide.nodes"] = {
  is_shared = function()
    return true
  end,
  self = function()
    return { id = select(2, here()).id, draining = false }
  end,
  owner_of_session = owner_of_session,
}

modules["tide.json"] = {
  null = false, -- set below: a value that is bound as NULL
  array = function(list)
    return list
  end,
  encode = function()
    return "[]"
  end,
}
modules["tide.json"].null = io.stdout -- no boolean, number or text

for _, name in ipairs({
  "tide.cache", "tide.llm", "tide.log", "tide.messages", "tide.shared",
  "tide.text",
}) do
  modules[name] = {}
end

for name, module in pairs(modules) do
  package.loaded[name] = module
end
package.path = "lua/?.lua;" .. package.path
-- Neither texts of errors nor Redis.
package.loaded["lib.errors"] = {
  new = function(code)
    return { code = code }
  end,
}
package.loaded["lib.cache"] = {}

M.chat = require "chat.chat"
M.messages = require "chat.messages"
M.turn_lease = require "chat.turn_lease"

return M
