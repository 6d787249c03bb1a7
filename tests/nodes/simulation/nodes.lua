--- What nodes do: they live by their heartbeats, look for what dead ones have
--- left, and run turns. Where it is not the server's code that runs, it follows
--- the file that is named.

local database = require "database"
local product = require "product"
local worlds = require "world"

local M = {}

local LEASE_MS = worlds.LEASE_MS
local BEAT_MS = 1000
local TRIES = 5 -- lua/chat/turns.lua

--- As note_renewal (core/node/node.c).
local function note_renewal(world, node, sent, keeper)
  local now = product.clock(world, node)
  if not node.renewed then
    node.unbroken = sent
  elseif now - node.renewed > LEASE_MS then
    node.unbroken = now
  end
  node.renewed = sent
  node.keeper_until = keeper and sent + LEASE_MS or 0
end

local function live(world, node)
  local outcomes = database.write(sim.join(LEASE_MS))
  node.id = outcomes[1].id
  world:note("node %d joined", node.id)
  while true do
    local sent = product.clock(world, node)
    outcomes = database.write(sim.heartbeat(node.id, LEASE_MS))
    if outcomes then
      note_renewal(world, node, sent, outcomes[2].changes == 1)
    end
    worlds.sleep(BEAT_MS)
  end
end

--- As look (core/app/node_start.c).
local function care(world, node)
  while true do
    worlds.sleep(BEAT_MS)
    local is_keeper = product.clock(world, node) < node.keeper_until
    if is_keeper and product.may_take_over(world, node) then
      database.repair()
    end
  end
end

--- Begins a node, or begins it again.
---@param world World
---@param node SimNode
function M.start(world, node)
  node.alive, node.id, node.queues = true, nil, {}
  node.renewed, node.keeper_until, node.epochs = nil, 0, 0
  node.rate = world:pick({ 0.5, 0.9, 1, 1, 1.1, 2 })
  world:spawn(node, function()
    live(world, node)
  end)
  world:spawn(node, function()
    care(world, node)
  end)
end

---@param world World
---@param node SimNode
function M.kill(world, node)
  world:note("node %d is killed", node.id or 0)
  node.incarnation = node.incarnation + 1
  node.alive = false
  database.forget(node)
end

--- As tt_node_next_epoch (core/node/node.c).
local function next_epoch(node)
  node.epochs = node.epochs + 1
  return (node.id << sim.EPOCH_BITS) + node.epochs
end

--- A node has one turn at a time in a session.
local function enter(node, session_id)
  while node.queues[session_id] do
    worlds.sleep(20)
  end
  node.queues[session_id] = true
end

local SQL_NEWEST = "SELECT id, status FROM chat_messages "
  .. "WHERE session_row = ? ORDER BY id DESC LIMIT 1"

--- As begin (lua/chat/turns.lua).
---@return table|nil saved, string|nil code
local function begin(world, node, session_id, text)
  local saved, err
  for _ = 1, TRIES do
    local free, elsewhere =
      product.turn_lease.admit(product.USER, session_id, false)
    if not free then
      return nil, elsewhere.code
    end
    local draft, unknown =
      product.chat.get_chat_session(product.USER, session_id)
    if unknown and unknown.code ~= "session_not_found" then
      return nil, unknown.code
    end
    draft = draft
      or {
        session_id = session_id,
        title = "t",
        model_name = "m",
        persona = "",
        message_count = 0,
      }
    local newest
    if draft.id then
      local rows = database.query(SQL_NEWEST, { draft.id })
      if not rows then
        return nil, "database_unavailable"
      end
      newest = rows[1] and rows[1].id
    end
    local epoch = next_epoch(node)
    worlds.current.note =
      { kind = "begin", text = text, epoch = epoch, session = session_id }
    saved, err = product.chat.save_chat_message(product.USER, draft, {
      message = text,
      parent_id = newest,
      lease = { node = node.id, epoch = epoch },
    })
    if saved then
      saved.epoch, saved.content = epoch, ""
      return saved
    elseif err.code ~= "turn_taken" then
      break
    end
  end
  return nil, err.code
end

--- As checkpoint.c and running_reply.c in core/chat. The first checkpoint has the
--- text from its beginning, also that of a reply that goes on.
---@return boolean whether the reply is stored whole
local function stream(world, reply, text)
  local id, epoch = reply.message_id, reply.epoch
  local length, stored, is_lost = #reply.content, 0, false
  for _ = 1, world:below(4) do
    worlds.sleep(world:pick({ 10, 200, 1000, 1000, 4000 }))
    length = length + world:below(#text - length + 1)
    if length > stored then
      local outcomes = database.write(
        sim.checkpoint(id, epoch, stored, text:sub(stored + 1, length)),
        { kind = "checkpoint", message = id, epoch = epoch, upto = length }
      )
      stored = length
      if outcomes[1].changes == 0 then
        is_lost = true
        break
      end
    end
  end
  worlds.sleep(world:between(0, 300))
  -- One that is lost is stopped, and its end is tried all the same.
  local status = is_lost and "error" or "complete"
  local content = is_lost and text:sub(1, length) or text
  local outcomes = database.write(
    sim.ending(id, epoch, reply.session_row, status, content),
    { kind = "end", message = id, epoch = epoch }
  )
  return outcomes[1].changes > 0 and not is_lost
end

--- A turn; `told` gets "ok" with the ids, "begun" or "refused".
---@param world World
---@param node SimNode
---@param session_id string
---@param text string
---@param told fun(outcome: string, reply: table|nil)
function M.turn(world, node, session_id, text, told)
  world:spawn(node, function()
    if not node.id then
      return told("refused")
    end
    enter(node, session_id)
    local reply = begin(world, node, session_id, text)
    if reply then
      told("begun", reply)
      if stream(world, reply, text) then
        told("ok", reply)
      end
    else
      told("refused")
    end
    node.queues[session_id] = nil
  end)
end

local SQL_INTERRUPTED = [[
SELECT m.id, m.status, m.content, m.session_row FROM chat_messages AS m
JOIN chat_sessions AS s ON s.id = m.session_row
WHERE s.session_id = ? AND m.status = 'interrupted'
  AND m.id = (SELECT MAX(id) FROM chat_messages WHERE session_row = s.id)]]

--- As begin_again (lua/chat/turns.lua): goes on with a reply that was cut off.
---@param world World
---@param node SimNode
---@param session_id string
---@param text_of fun(message_id: integer): string
function M.continue(world, node, session_id, text_of)
  world:spawn(node, function()
    if not node.id then
      return
    end
    enter(node, session_id)
    local free = product.turn_lease.admit(product.USER, session_id, false)
    local rows = free and database.query(SQL_INTERRUPTED, { session_id })
    local row = rows and rows[1]
    if row then
      local epoch = next_epoch(node)
      worlds.current.note =
        { kind = "reopen", message = row.id, epoch = epoch }
      local lease = { node = node.id, epoch = epoch }
      if product.messages.reopen(product.USER, row, lease) then
        stream(world, {
          message_id = row.id,
          session_row = row.session_row,
          epoch = epoch,
          content = row.content,
        }, text_of(row.id))
      end
    end
    node.queues[session_id] = nil
  end)
end

return M
