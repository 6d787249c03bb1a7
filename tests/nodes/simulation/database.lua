--- What a node and its database say to each other: jobs arrive in their order,
--- reads in any, both late, some of them very late. What a killed node has sent
--- may still arrive. A node that is cut off sends its jobs again when it is
--- back, as one job (their ids see to that), and its reads fail.

local worlds = require "world"

local M = {}

local LATE = 4 -- of a hundred

---@param world World
---@return number ms
local function delay(world)
  if world.now < world.calm_from and world:chance(LATE) then
    return world:between(0, 3 * worlds.LEASE_MS)
  end
  return world:between(0, 20)
end

--- A statement as SQLite and the rule under test have it.
---@param world World
---@param sql string
---@return string
local function text_of(world, sql)
  local text = world.texts[sql]
  if not text then
    text = sql:gsub(" FOR SHARE", "")
    if world.rule then
      text = world.rule(text)
    end
    world.texts[sql] = text
  end
  return text
end

---@param world World
---@param node SimNode
---@param statements table[]
---@param on_done fun(outcomes: table[]|nil, err: table|nil) not called if the
--- job never arrives
---@param note table|nil what the job means, for the invariants
function M.submit(world, node, statements, on_done, note)
  local incarnation = node.incarnation
  local arrives = world.now + delay(world)
  arrives = math.max(arrives, node.writer, node.cut_until)
  node.writer = arrives
  world:at(arrives, function()
    if node.incarnation ~= incarnation and world:chance(50) then
      return on_done(nil, nil) -- it was never sent
    end
    for _, statement in ipairs(statements) do
      statement[1] = text_of(world, statement[1])
    end
    local outcomes, err = sim.write(statements)
    world.writes = world.writes + 1
    if outcomes and note then
      world:note("%s of node %d: %s", note.kind, node.id or 0, note.text or note.message)
      world.check(note, outcomes)
    end
    local answered = math.max(world.now + delay(world), node.cut_until)
    world:at(answered, function()
      on_done(outcomes, err)
    end)
  end)
end

---@param world World
---@param node SimNode
---@param sql string
---@param values any[]
---@param on_rows fun(rows: table[]|nil)
function M.ask(world, node, sql, values, on_rows)
  local arrives = world.now + delay(world)
  world:at(arrives, function()
    local rows
    if node.cut_until <= world.now then
      rows = sim.query(text_of(world, sql), values)
    end
    world:at(world.now + delay(world), function()
      on_rows(rows)
    end)
  end)
end

--- Within a task.
---@param statements table[]
---@param note table|nil
---@return table[]|nil outcomes, table|nil err
function M.write(statements, note)
  local world, node = worlds.current.world, worlds.current.node
  return worlds.wait(function(answer)
    M.submit(world, node, statements, answer, note)
  end)
end

--- Within a task.
---@param sql string
---@param values any[]
---@return table[]|nil rows, table|nil err
function M.query(sql, values)
  local world, node = worlds.current.world, worlds.current.node
  local rows = worlds.wait(function(answer)
    M.ask(world, node, sql, values, answer)
  end)
  return rows, not rows and { code = "database_unavailable" } or nil
end

--- Within a task: the server's repair, of one session or of all.
---@param user_id integer|nil
---@param session_id string|nil
---@return boolean ok
function M.repair(user_id, session_id)
  local world, node = worlds.current.world, worlds.current.node
  local incarnation = node.incarnation
  local run = { jobs = {} }
  node.repairs[run] = true
  return worlds.wait(function(answer)
    local function alive(act)
      -- One that sleeps gets its answers when it wakes up.
      if run.over then
        return
      elseif node.asleep_until > world.now then
        world:at(node.asleep_until, function()
          alive(act)
        end)
      else
        act()
      end
    end
    local on = {}
    function on.read(request, sql, values)
      M.ask(world, node, sql, values, function(rows)
        alive(function()
          sim.answer_read(request, rows or {})
        end)
      end)
    end
    function on.job(job, statements)
      local note = { kind = "repair", message = statements[1][2][1] }
      run.jobs[job] = true
      M.submit(world, node, statements, function(outcomes, err)
        if not run.over then
          alive(function()
            run.jobs[job] = nil
            sim.answer_job(job, outcomes, err)
          end)
        end
      end, note)
    end
    function on.timer(timer)
      world:at(world.now, function()
        alive(function()
          sim.fire(timer)
        end)
      end)
    end
    local function ended(ok)
      run.over = true
      node.repairs[run] = nil
      answer(ok)
    end
    function on.done()
      ended(true)
    end
    function on.failed()
      ended(false)
    end
    if node.incarnation == incarnation then
      run.handle = sim.repair(function(kind, ...)
        on[kind](...)
      end, user_id, session_id)
    end
  end)
end

--- The repairs of a node that is killed.
---@param node SimNode
function M.forget(node)
  for run in pairs(node.repairs) do
    run.over = true
    if run.handle then
      sim.cancel(run.handle)
    end
    for job in pairs(run.jobs) do
      sim.answer_job(job)
    end
  end
  node.repairs = {}
end

return M
