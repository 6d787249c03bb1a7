--- Virtual time and chance of a simulation: events in the order of their time,
--- tasks that wait for them on a node, and what happens to nodes: a task of a
--- node that was killed never goes on, one of a node that sleeps goes on when it
--- wakes up. All chance comes from one seed.

local M = {}

M.LEASE_MS = 5000

---@class World
---@field now number virtual ms, by the database's clock
local World = {}
World.__index = World

---@param seed integer
---@return World
function M.new(seed)
  return setmetatable({
    now = 0,
    events = {},
    order = 0,
    state = (seed * 2862933555777941757 + 3037000493) | 1,
    trace = {},
  }, World)
end

--- xorshift64*: a number from 0 to n - 1.
---@param n integer
---@return integer
function World:below(n)
  local x = self.state
  x = x ~ (x >> 12)
  x = x ~ (x << 25)
  x = x ~ (x >> 27)
  self.state = x
  return ((x * 2685821657736338717) >> 33) % n
end

---@param from integer
---@param to integer
---@return integer
function World:between(from, to)
  return from + self:below(to - from + 1)
end

--- Whether something happens that does so `n` times of a hundred.
---@param n integer
---@return boolean
function World:chance(n)
  return self:below(100) < n
end

---@param list any[]
---@return any
function World:pick(list)
  return list[1 + self:below(#list)]
end

--- Notes what happened, for who reads why a schedule failed.
function World:note(form, ...)
  self.trace[#self.trace + 1] = { self.now, form, ... }
end

--- Runs `act` at a time: a binary heap, by time and then by order.
---@param at number
---@param act fun()
function World:at(at, act)
  self.order = self.order + 1
  local events, order = self.events, self.order
  local i = #events + 1
  local event = { at, order, act }
  while i > 1 do
    local up = events[i // 2]
    if up[1] < at or (up[1] == at and up[2] < order) then
      break
    end
    events[i] = up
    i = i // 2
  end
  events[i] = event
end

---@param events table
---@return table event the first one, removed
local function pop(events)
  local first, last = events[1], events[#events]
  events[#events] = nil
  local count, i = #events, 1
  if count == 0 then
    return first
  end
  while 2 * i <= count do
    local child = 2 * i
    local left, right = events[child], events[child + 1]
    if
      right
      and (right[1] < left[1] or (right[1] == left[1] and right[2] < left[2]))
    then
      child, left = child + 1, right
    end
    if last[1] < left[1] or (last[1] == left[1] and last[2] < left[2]) then
      break
    end
    events[i] = left
    i = child
  end
  events[i] = last
  return first
end

--- Runs events until a time, or until there are none.
---@param ends number
function World:run(ends)
  local events = self.events
  while events[1] and events[1][1] <= ends do
    local event = pop(events)
    self.now = event[1]
    sim.set_now(self.now * 1000 // 1)
    event[3]()
  end
  self.now = ends
end

---@class SimNode
---@field incarnation integer goes up when it is killed
---@field alive boolean
---@field asleep_until number
---@field rate number of its own clock
---@field writer number when its last job arrives at the database

--- What runs now: {node, incarnation, thread}.
M.current = nil

---@param task table
local function resume(world, task, ...)
  local node = task.node
  if node.incarnation ~= task.incarnation then
    return -- it was killed
  elseif node.asleep_until > world.now then
    local values = table.pack(...)
    world:at(node.asleep_until, function()
      resume(world, task, table.unpack(values, 1, values.n))
    end)
    return
  end
  local before = M.current
  M.current = task
  local ok, err = coroutine.resume(task.thread, ...)
  M.current = before
  if not ok then
    error(debug.traceback(task.thread, err), 0)
  end
end

--- Begins a task on a node.
---@param node SimNode
---@param body fun()
function World:spawn(node, body)
  local task = { world = self, node = node, incarnation = node.incarnation }
  task.thread = coroutine.create(body)
  self:at(self.now, function()
    resume(self, task)
  end)
end

--- Within a task: waits until `begin` has its function called, and returns what
--- that was called with. `begin` runs outside of the task.
---@param begin fun(answer: fun(...))
---@return any ...
function M.wait(begin)
  local task = M.current
  local world = task.world
  world:at(world.now, function()
    begin(function(...)
      resume(world, task, ...)
    end)
  end)
  return coroutine.yield()
end

--- Within a task.
---@param ms number by the node's own clock
function M.sleep(ms)
  local world, node = M.current.world, M.current.node
  M.wait(function(answer)
    world:at(world.now + ms / node.rate, answer)
  end)
end

return M
