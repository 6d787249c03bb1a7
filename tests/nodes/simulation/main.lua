--- Simulations of turns and leases, one schedule for each seed.
---
--- usage: node_simulation [--seconds N] [--schedules N] [--seed S] [--rule NAME]
---
--- Runs schedules from the seed on (by chance; printed) for so many seconds (20)
--- or schedules, and prints how many there were. With the name of a rule the
--- server's statements are without it. One that breaks an invariant is told with
--- its own seed and what happened in it; then the code is 1.

package.path = "tests/nodes/simulation/?.lua"

local database = require "database"
local invariants = require "invariants"
local nodes = require "nodes"
local rules = require "rules"
local worlds = require "world"

local LEASE_MS = worlds.LEASE_MS
local SESSIONS = { "s1", "s2" }
local CLIENTS, MESSAGES = 3, 3
local FAULTS_UNTIL_MS = 5 * LEASE_MS
local REST_MS = 12 * LEASE_MS

local CLEAR = [[
DELETE FROM users; DELETE FROM nodes; DELETE FROM node_leases; DELETE FROM chat_sessions;
DELETE FROM chat_messages; DELETE FROM reply_chunks; DELETE FROM sqlite_sequence;
INSERT INTO users (id) VALUES (1);]]

---@return table options
local function read_options(...)
  local words, options = { ... }, { seconds = 20 }
  for i = 1, #words, 2 do
    options[words[i]:sub(3)] = tonumber(words[i + 1]) or words[i + 1]
  end
  options.seed = options.seed or os.time() * 1000 % 2 ^ 31 // 1
  return options
end

--- A client sends one message after the other, each through any node.
local function talk(world, client, operations)
  local count = 0
  local function send()
    count = count + 1
    if count > MESSAGES or world.now > FAULTS_UNTIL_MS then
      return
    end
    local operation =
      { session = world:pick(SESSIONS), text = ("%d.%d tide"):format(client, count) }
    operations[#operations + 1] = operation
    local node = world:pick(world.nodes)
    local is_over = false
    local function go_on()
      if not is_over then
        is_over = true
        world:at(world.now + world:between(0, LEASE_MS), send)
      end
    end
    if node.alive then
      nodes.turn(world, node, operation.session, operation.text, function(outcome, reply)
        operation.outcome, operation.reply = outcome, reply
        if outcome ~= "begun" then
          go_on()
        end
      end)
    end
    world:at(world.now + world:between(LEASE_MS, 4 * LEASE_MS), go_on)
  end
  world:at(world:between(0, LEASE_MS), send)
end

local FAULTS = {
  function(world, node)
    nodes.kill(world, node)
    world:at(world.now + world:between(1, 3 * LEASE_MS), function()
      nodes.start(world, node)
    end)
  end,
  function(world, node)
    world:note("node %d sleeps", node.id or 0)
    node.asleep_until = world.now + world:between(1, 3 * LEASE_MS)
  end,
  function(world, node)
    world:note("node %d is cut off", node.id or 0)
    node.cut_until = world.now + world:between(1, 3 * LEASE_MS)
  end,
  function(world, node)
    nodes.continue(world, node, world:pick(SESSIONS), function(id)
      return world.known[id].text
    end)
  end,
}

local function break_things(world)
  local function one()
    if world.now > FAULTS_UNTIL_MS then
      return
    end
    local node = world:pick(world.nodes)
    if node.alive then
      world:pick(FAULTS)(world, node)
    end
    world:at(world.now + world:between(1, LEASE_MS), one)
  end
  world:at(world:between(1, 2 * LEASE_MS), one)
end

--- Runs one schedule. Raises {violation} or an error.
local function run(world, rule)
  sim.script(CLEAR)
  world.nodes, world.known, world.texts = {}, {}, {}
  world.writes, world.rule = 0, rule
  world.calm_from = FAULTS_UNTIL_MS
  world.check = function(note, outcomes)
    invariants.after_job(world.known, note, outcomes)
  end
  for i = 1, world:between(2, 3) do
    local node = {
      incarnation = 0, asleep_until = 0, cut_until = 0, writer = 0, repairs = {},
    }
    world.nodes[i] = node
    nodes.start(world, node)
  end
  local operations = {}
  for client = 1, CLIENTS do
    talk(world, client, operations)
  end
  break_things(world)
  world:run(FAULTS_UNTIL_MS)
  repeat -- nothing that sleeps or is late takes longer than three leases
    world:run(world.now + LEASE_MS)
    local is_quiet = world.now >= FAULTS_UNTIL_MS + 4 * LEASE_MS
      and invariants.is_quiet()
  until is_quiet or world.now > FAULTS_UNTIL_MS + REST_MS
  invariants.at_rest(operations)
end

local function forget(world)
  for _, node in ipairs(world.nodes) do
    database.forget(node)
  end
end

local function tell(world, seed, err)
  io.write(("seed %d: %s\n"):format(seed, err.violation or err))
  for i = math.max(1, #world.trace - 60), #world.trace do
    local at, form = table.unpack(world.trace[i], 1, 2)
    io.write(("  %8.1f ms  "):format(at))
    io.write(form:format(table.unpack(world.trace[i], 3)), "\n")
  end
end

local function traced(err)
  return type(err) == "table" and err or debug.traceback(err, 2)
end

local options = read_options(...)
local rule = options.rule and assert(rules[options.rule], "no such rule")
sim.script(assert(io.open("tests/nodes/simulation/schema.sql")):read("a"))
collectgarbage("generational")
local began, schedules, writes = sim.seconds(), 0, 0
while
  options.schedules and schedules < options.schedules
  or not options.schedules and sim.seconds() - began < options.seconds
do
  local seed = options.seed + schedules
  local world = worlds.new(seed)
  local ok, err = xpcall(run, traced, world, rule)
  forget(world)
  schedules, writes = schedules + 1, writes + world.writes
  if not ok then
    tell(world, seed, err)
    return 1
  end
end
io.write(("seed %d: %d schedules with %d jobs in %.1f s, nothing broken\n"):format(
  options.seed, schedules, writes, sim.seconds() - began
))
return 0
