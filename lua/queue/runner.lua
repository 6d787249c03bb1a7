--- Runs jobs. A worker that has pushed a job or ended one takes the next ones;
--- once a second one worker looks for those whose time has come, or that nobody
--- took. Each job is a task of its own, in the generation of the day: one that
--- runs during a reload goes on with its code, and the new code takes the next.

local crypto = require "tide.crypto"
local jobs = require "queue.jobs"
local json = require "tide.json"
local log = require "tide.log"
local nodes = require "tide.nodes"
local queues = require "queue.queues"
local scripts = require "tide.scripts"
local shared = require "tide.shared"
local task = require "tide.task"
local text = require "tide.text"
local time = require "tide.time"
local timer = require "tide.timer"

local M = {}

--- Bytes of a stored error.
local ERROR_MAX = 500

local LOOK_MS = 1000
local TIDY_LOOKS = 600

--- So many looks lie between two when no queue is declared: jobs of an earlier
--- generation are only counted then.
local IDLE_LOOKS = 60

--- Dead jobs of a queue that are kept.
M.DEAD_MAX = 1000

--- The longest wait between two attempts.
local BACKOFF_MAX_MS = 3600000

--- How often the end of a job is written when the database refuses it.
local WRITES = 5

local notes = shared.dict("queue")

--- The name of this process, which leases begin with.
---@return string
local function process_name()
  notes:add("process", jobs.process_name(crypto.random_hex_digits(16)))
  return tostring(notes:get("process"))
end

--- ---- one job

--- The wait before the next attempt, with a part that is left to chance, so
--- that jobs that failed together do not come together again.
---@param spec Queue
---@param attempt integer
---@param err any what the job returned
---@return integer ms
function M.wait_ms(spec, attempt, err)
  local wait
  if type(err) == "table" and math.type(err.retry_after) == "integer" then
    wait = err.retry_after * 1000
  elseif type(spec.backoff) == "function" then
    local ran, value = pcall(spec.backoff, attempt)
    wait = ran and math.tointeger(value) or 1000
  else
    wait = spec.backoff * 2 ^ math.min(attempt - 1, 30)
  end
  wait = math.min(math.max(wait, 0), BACKOFF_MAX_MS)
  return math.floor(wait + math.random() * wait / 4)
end

--- An error as a text that every database takes.
---@param err any
---@return string
local function text_of(err)
  local line = type(err) == "table"
      and ("%s: %s"):format(err.code or "error", err.message or "")
    or tostring(err):match("^[^\n]*") -- the traceback is in the log
  if not text.valid(line) then
    line = line:gsub("[\x80-\xff]", "?")
  end
  return text.truncate(line, ERROR_MAX)
end

--- Writes how a job ended; the database may refuse it for a while.
---@param row table
---@param write fun(): boolean|nil, tide.Error|nil
local function finish(row, write)
  local ours, err
  for i = 1, WRITES do
    ours, err = write()
    if ours ~= nil or i == WRITES then
      break
    end
    time.sleep(math.floor(100 * 4 ^ i))
  end
  if not ours then
    log.warn("the end of a job was not written; it is repeated", {
      queue = row.queue, job = row.id,
      code = err and err.code or "lease_over",
    })
  end
end

---@param row table
---@param spec Queue
---@param err any
local function fail(row, spec, err)
  local message = text_of(err)
  local shown = type(err) == "string" and err or message
  local final = row.attempt >= row.attempts
    or type(err) == "table" and err.retry == false
  notes:incr("failed")
  log.warn("a job failed", {
    queue = row.queue, job = row.id, attempt = row.attempt, error = shown,
    dead = final,
  })
  finish(row, function()
    if final then
      return jobs.dead(row, message)
    end
    return jobs.later(row, M.wait_ms(spec, row.attempt, err), message)
  end)
end

--- Runs a job's function within its time.
---@param row table
---@param spec Queue
---@return boolean ok
---@return any err
local function call(row, spec)
  local late = false
  local child, busy = task.spawn(spec.run, {
    id = row.id,
    queue = row.queue,
    payload = row.payload ~= "null" and json.decode(row.payload) or nil,
    attempt = row.attempt,
    attempts = row.attempts,
    user = row.user_id,
    key = row.unique_key,
    created_at = row.created_at,
  })
  if not child then
    return false, busy
  end
  local limit, full = timer.after(spec.timeout, function()
    late = true
    child:cancel()
  end)
  if not limit then
    child:cancel()
    return false, full
  end
  local ran, value, err = pcall(child.join, child)
  limit:cancel()
  if late then
    return false, ("it took longer than %d ms"):format(spec.timeout)
  elseif not ran then
    return false, value
  end
  return not (value == nil and err ~= nil), err
end

---@param row table
---@param spec Queue
local function run(row, spec)
  local ok, err = call(row, spec)
  if ok then
    notes:incr("done")
    finish(row, function()
      return jobs.done(row)
    end)
  else
    fail(row, spec, err)
  end
  M.look(row.queue)
end

--- ---- taking jobs

--- A look that was cut off is forgotten after so long.
local LOOK_STALE_MS = 60000

---@type table<string, {again: boolean, since: integer}>
local looks = {}

---@param queue string
---@param spec Queue
---@param process string
---@return boolean more
local function take(queue, spec, process)
  local rows, err = jobs.claim(queue, spec, process)
  if not rows then
    log.warn("no job was taken", { queue = queue, code = err and err.code })
    return false
  end
  for _, row in ipairs(rows) do
    local begun, full = timer.after(0, function()
      run(row, spec)
    end)
    if not begun then
      fail(row, spec, full)
    end
  end
  return #rows > 0
end

---@param queue string
---@param spec Queue
local function look_now(queue, spec)
  local process, look = process_name(), looks[queue]
  local ran, more
  repeat
    look.again, look.since = false, time.mono_ms()
    ran, more = pcall(take, queue, spec, process)
    if not ran then
      log.error("no job was taken", { queue = queue, error = tostring(more) })
    end
  until not scripts.is_current() or not (ran and more) and not look.again
  looks[queue] = nil
end

--- Takes what may run now, in a task of its own. Code that a reload replaced
--- takes nothing, and of several nodes one does: the limits of a queue are for
--- all of them together. Within a second it finds what others have pushed.
---@param queue string
function M.look(queue)
  local spec, look = queues.get(queue), looks[queue]
  if not spec or not scripts.is_current() or not nodes.is_keeper() then
    return
  elseif look and time.mono_ms() < look.since + LOOK_STALE_MS then
    look.again = true
    return
  end
  looks[queue] = { again = false, since = time.mono_ms() }
  local begun = timer.after(0, function()
    look_now(queue, spec)
  end)
  if not begun then
    looks[queue] = nil -- the next look of the timer comes
  end
end

--- ---- once a second

---@param ran any
---@param err tide.Error|nil
---@param what string
local function told(ran, err, what)
  if not ran and err then
    log.warn(what, { code = err.code })
  end
end

--- For the metrics (core/app/admin/process_sample.c).
---@param counts table<string, table<string, integer>>
local function note_counts(counts)
  for _, status in ipairs({ "waiting", "later", "running", "dead" }) do
    local sum = 0
    for _, count in pairs(counts) do
      sum = sum + (count[status] or 0)
    end
    notes:set(status, sum)
  end
end

---@param first boolean this process has just begun
local function take_back(first)
  local back, err = jobs.take_back(process_name(), first)
  if not back and first then
    notes:delete("begun")
  end
  told(back, err, "jobs whose lease is over were not taken back")
  if back and back > 0 then
    log.warn("jobs were cut off and wait again", { jobs = back })
  end
end

---@param number integer of looks
local function look_at_all(number)
  local first = notes:add("begun", 1) or false
  if first then
    take_back(true)
  elseif not queues.any() and number % IDLE_LOOKS ~= 0 then
    return
  end
  local counts, err = jobs.counts()
  told(counts, err, "the queues cannot be read")
  if counts then
    note_counts(counts)
  end
  if notes:get("running") ~= 0 and not first then
    take_back(false)
  end
  for queue, count in pairs(counts or {}) do
    if count.later then
      local begun
      begun, err = jobs.begin_due(queue)
      told(begun, err, "jobs whose time has come do not begin")
    end
    if number % TIDY_LOOKS == 1 then
      local deleted
      deleted, err = jobs.tidy(queue, M.DEAD_MAX)
      told(deleted, err, "old dead jobs were not deleted")
    end
    if count.waiting or count.later then
      M.look(queue)
    end
  end
end

timer.every("queue", LOOK_MS, function(tick)
  look_at_all(tick.number)
end, { first = "start" })

return M
