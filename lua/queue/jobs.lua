--- The rows of jobs: how they come, wait, run and go. Each change is one
--- transaction, so a job is never in two states, whenever the server ends.
---
--- The order is fair queueing: each job has a turn. The first job of an owner
--- gets the turn that the queue is at, each further one the turn after its
--- last. So a user with a thousand jobs is a thousand turns long, and another
--- user's job comes next.

local crypto = require "tide.crypto"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local nodes = require "tide.nodes"
local sql = require "lib.sql"
local time = require "tide.time"

local M = {}

local PAYLOAD_MAX = 65536

--- Jobs in one transaction: the database has other work.
local BATCH = 50

--- The turn of the next job of an owner.
local SQL_TURN = [[
INSERT INTO queue_owners (queue, owner, turn)
SELECT ?1, ?2, COALESCE(
  (SELECT MIN(turn) FROM queue_jobs WHERE queue = ?1 AND status = 'waiting'),
  (SELECT MAX(turn) FROM queue_owners WHERE queue = ?1), 0)
WHERE true
ON CONFLICT (queue, owner) DO UPDATE SET turn =
  CASE WHEN excluded.turn > queue_owners.turn THEN excluded.turn
  ELSE queue_owners.turn + 1 END]]

local SQL_PUSH = [[
INSERT INTO queue_jobs (queue, user_id, owner, unique_key, payload, status,
  turn, run_at, attempt, attempts, lease, lease_until, error, created_at,
  updated_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6,
  COALESCE((SELECT turn FROM queue_owners WHERE queue = ?1 AND owner = ?3), 0),
  ?7, 0, ?8, '', 0, '', ?9, ?9
WHERE COALESCE((SELECT SUM(jobs) FROM queue_counts
    WHERE queue = ?1 AND status <> 'dead'), 0) < ?10
  AND (?3 = 0 OR NOT EXISTS (SELECT 1 FROM queue_jobs
    WHERE queue = ?1 AND owner = ?3 AND status <> 'dead' LIMIT 1 OFFSET ?11))
ON CONFLICT (queue, unique_key)
  WHERE unique_key IS NOT NULL AND status <> 'dead' DO NOTHING]]

local SQL_BY_KEY = [[
SELECT id FROM queue_jobs
WHERE queue = ? AND unique_key = ? AND status <> 'dead']]

---@class NewJob
---@field queue string
---@field payload any
---@field user? integer
---@field key? string
---@field delay? integer milliseconds
---@field attempts integer
---@field backlog integer
---@field user_backlog integer

--- Adds a job, unless the queue is full or has one with this key.
---@param job NewJob
---@return tide.PushedJob|nil
---@return tide.Error|nil err queue_full, job_too_large, foreign_key (no such
--- user)
function M.push(job)
  local payload = json.encode(job.payload)
  if #payload > PAYLOAD_MAX then
    return nil, errors.new("job_too_large", { max = PAYLOAD_MAX })
  end
  local now, owner = time.unix_us(), job.user or 0
  local delay_us = (job.delay or 0) * 1000
  local statements = {
    {
      SQL_PUSH,
      {
        job.queue, job.user or json.null, owner, job.key or json.null, payload,
        delay_us > 0 and "later" or "waiting", now + delay_us, job.attempts,
        now, job.backlog, job.user_backlog - 1,
      },
      expect = 1, -- otherwise the owner's turn has not passed either
    },
  }
  if delay_us == 0 then -- another one gets its turn when it is due
    table.insert(statements, 1, { SQL_TURN, { job.queue, owner } })
  end
  local done, err = db.write(statements)
  if done then
    return { id = done[#done].id, new = true }
  elseif err.code ~= "unexpected_changes" then
    return nil, err
  end
  local there
  if job.key then
    there, err = db.one(SQL_BY_KEY, { job.queue, job.key })
    if err then
      return nil, err
    end
  end
  if there then
    return { id = there.id, new = false }
  end
  return nil, errors.new("queue_full")
end

--- ---- claiming

local SQL_RUNNING = [[
SELECT owner, COUNT(*) AS jobs FROM queue_jobs
WHERE queue = ? AND status = 'running' GROUP BY owner]]

local SQL_WAITING = [[
SELECT id, queue, user_id, owner, unique_key, payload, attempt, attempts,
  created_at
FROM queue_jobs WHERE queue = ? AND status = 'waiting'%s
ORDER BY turn, id LIMIT ?]]

local SQL_CLAIM = [[
UPDATE queue_jobs SET status = 'running', attempt = attempt + 1, lease = ?1,
  lease_until = ?2, updated_at = ?3
WHERE id = ?4 AND status = 'waiting'
  AND COALESCE((SELECT jobs FROM queue_counts
    WHERE queue = ?5 AND status = 'running'), 0) < ?6
  AND (?7 = 0 OR (SELECT COUNT(*) FROM queue_jobs
    WHERE queue = ?5 AND owner = ?7 AND status = 'running') < ?8)]]

--- Who has how many running jobs.
---@param queue string
---@return table<integer, integer>|nil by owner
---@return integer|tide.Error all of them
local function running(queue)
  local rows, err = db.query(SQL_RUNNING, { queue })
  if not rows then
    return nil, err
  end
  local by_owner, all = {}, 0
  for _, row in ipairs(rows) do
    by_owner[row.owner] = row.jobs
    all = all + row.jobs
  end
  return by_owner, all
end

--- The next jobs of those who may have one more: a user may not have all.
---@param queue string
---@param spec Queue
---@param by_owner table<integer, integer> changed
---@param free integer
---@return table[]|nil rows
---@return tide.Error|nil
local function choose(queue, spec, by_owner, free)
  local values, chosen = { queue }, {}
  for owner, jobs in pairs(by_owner) do
    if owner ~= 0 and jobs >= spec.user_concurrency then
      values[#values + 1] = owner
    end
  end
  local without = #values == 1 and ""
    or (" AND owner NOT IN (%s)"):format(sql.places(#values - 1))
  values[#values + 1] = spec.concurrency
  local rows, err = db.query(SQL_WAITING:format(without), values)
  for _, row in ipairs(rows or {}) do
    local jobs = by_owner[row.owner] or 0
    if
      #chosen < free and (row.owner == 0 or jobs < spec.user_concurrency)
    then
      by_owner[row.owner] = jobs + 1
      chosen[#chosen + 1] = row
    end
  end
  return rows and chosen, err
end

--- Takes the next jobs of a queue: they are running, and nobody else has them.
---@param queue string
---@param spec Queue
---@param process string of whom
---@return table[]|nil rows with their `lease`
---@return tide.Error|nil err
function M.claim(queue, spec, process)
  local by_owner, all = running(queue)
  if not by_owner then
    return nil, all
  elseif all >= spec.concurrency then
    return {}
  end
  local rows, err = choose(queue, spec, by_owner, spec.concurrency - all)
  if not rows or #rows == 0 then
    return rows, err
  end
  local now, statements = time.unix_us(), {}
  for i, row in ipairs(rows) do
    row.lease = process .. ":" .. crypto.random_hex_digits(16)
    statements[i] = {
      SQL_CLAIM,
      {
        row.lease, now + (spec.timeout + M.GRACE_MS) * 1000, now, row.id,
        queue, spec.concurrency, row.owner, spec.user_concurrency,
      },
    }
  end
  local done
  done, err = db.write(statements)
  if not done then
    return nil, err
  end
  local claimed = {}
  for i, row in ipairs(rows) do
    if done[i].changes == 1 then
      row.attempt = row.attempt + 1
      claimed[#claimed + 1] = row
    end
  end
  return claimed
end

--- A lease outlives the job's time by this, so that whoever has the job ends it
--- first.
M.GRACE_MS = 30000

--- ---- ends

local SQL_DONE = "DELETE FROM queue_jobs WHERE id = ? AND lease = ?"

local SQL_LATER = [[
UPDATE queue_jobs SET status = 'later', run_at = ?, lease = '', error = ?,
  updated_at = ?
WHERE id = ? AND lease = ?]]

local SQL_DEAD = [[
UPDATE queue_jobs SET status = 'dead', lease = '', error = ?, updated_at = ?
WHERE id = ? AND lease = ?]]

---@param statement table
---@return boolean|nil ours false: the lease had ended, and the job is another's
---@return tide.Error|nil err
local function write_one(statement)
  local done, err = db.write({ statement })
  if not done then
    return nil, err
  end
  return done[1].changes == 1
end

---@param row table
function M.done(row)
  return write_one({ SQL_DONE, { row.id, row.lease } })
end

---@param row table
---@param wait_ms integer
---@param message string
function M.later(row, wait_ms, message)
  local now = time.unix_us()
  return write_one({
    SQL_LATER,
    { now + wait_ms * 1000, message, now, row.id, row.lease },
  })
end

---@param row table
---@param message string
function M.dead(row, message)
  local now = time.unix_us()
  return write_one({
    SQL_DEAD, { message, now, row.id, row.lease },
  })
end

--- ---- what time brings

local SQL_COUNTS = [[
SELECT queue, status, jobs FROM queue_counts WHERE jobs > 0
ORDER BY queue, status]]

--- How many jobs there are in each state, by queue.
---@return table<string, table<string, integer>>|nil
---@return tide.Error|nil err
function M.counts()
  local rows, err = db.query(SQL_COUNTS)
  if not rows then
    return nil, err
  end
  local counts = {}
  for _, row in ipairs(rows) do
    counts[row.queue] = counts[row.queue] or {}
    counts[row.queue][row.status] = row.jobs
  end
  return counts
end

local SQL_DUE = [[
SELECT id, owner FROM queue_jobs
WHERE queue = ? AND status = 'later' AND run_at <= ? ORDER BY run_at LIMIT ?]]

local SQL_WAIT = [[
UPDATE queue_jobs SET status = 'waiting', updated_at = ?3,
  turn = (SELECT turn FROM queue_owners WHERE queue = ?1 AND owner = ?2)
WHERE id = ?4 AND status = 'later']]

--- Lets those wait whose time has come.
---@param queue string
---@return integer|nil count
---@return tide.Error|nil err
function M.begin_due(queue)
  local now, count = time.unix_us(), 0
  repeat
    local rows, err = db.query(SQL_DUE, { queue, now, BATCH })
    if not rows then
      return nil, err
    end
    local statements = {}
    for _, row in ipairs(rows) do
      statements[#statements + 1] = { SQL_TURN, { queue, row.owner } }
      statements[#statements + 1] =
        { SQL_WAIT, { queue, row.owner, now, row.id } }
    end
    if #rows > 0 then
      local done
      done, err = db.write(statements)
      if not done then
        return nil, err
      end
    end
    count = count + #rows
  until #rows < BATCH
  return count
end

local CUT_OFF = "the server ended during the last attempt"

local SQL_LOST_DEAD = [[
UPDATE queue_jobs SET status = 'dead', lease = '', error = ?, updated_at = ?
WHERE status = 'running' AND attempt >= attempts AND ]]

local SQL_LOST = [[
UPDATE queue_jobs SET status = 'waiting', lease = '', updated_at = ?
WHERE status = 'running' AND ]]

--- Of a job whose node does not live any more; leases begin with the process.
local NODE_DIED = " OR NOT EXISTS (SELECT 1 FROM nodes AS n "
  .. "WHERE lease LIKE 'n' || n.id || '-%' "
  .. "AND n.alive_until >= tidetalk_now())"

--- The name of this process, which leases begin with.
---@param random string
---@return string
function M.process_name(random)
  local node = nodes.self()
  return node and ("n%d-%s"):format(node.id, random) or random
end

--- Takes back jobs whose lease is over, or that a process had that has ended:
--- an earlier one, when one process has the database at a time, or a dead node.
---@param process string
---@param first boolean this process has just begun
---@return integer|nil count
---@return tide.Error|nil err
function M.take_back(process, first)
  local now = time.unix_us()
  local condition, values = "lease_until < ?", { now }
  if nodes.is_shared() then
    condition = "(" .. condition .. NODE_DIED .. ")"
  elseif first then
    condition, values =
      "substr(lease, 1, CAST(? AS INTEGER)) <> ?", { #process, process }
  end
  local done, err = db.write({
    { SQL_LOST_DEAD .. condition, { CUT_OFF, now, table.unpack(values) } },
    { SQL_LOST .. condition, { now, table.unpack(values) } },
  })
  if not done then
    return nil, err
  end
  return done[1].changes + done[2].changes
end

local SQL_OLD_DEAD = [[
DELETE FROM queue_jobs WHERE id IN (SELECT id FROM queue_jobs
  WHERE queue = ?1 AND status = 'dead' ORDER BY id DESC
  LIMIT 1000 OFFSET ?2)]]

local SQL_OLD_OWNERS = [[
DELETE FROM queue_owners WHERE queue = ?1 AND turn < COALESCE(
  (SELECT MIN(turn) FROM queue_jobs WHERE queue = ?1 AND status = 'waiting'),
  (SELECT MAX(turn) FROM queue_owners WHERE queue = ?1)) - 1]]

--- Forgets the oldest dead jobs above a number, and owners without jobs.
---@param queue string
---@param dead_max integer
---@return integer|nil deleted jobs
---@return tide.Error|nil err
function M.tidy(queue, dead_max)
  local done, err = db.write({
    { SQL_OLD_DEAD, { queue, dead_max } },
    { SQL_OLD_OWNERS, { queue } },
  })
  return done and done[1].changes, err
end

--- ---- for the operator

local SQL_LIST = [[
SELECT id, queue, user_id, unique_key, payload, status, run_at, attempt,
  attempts, error, created_at, updated_at
FROM queue_jobs WHERE queue = ? AND status = ? ORDER BY id DESC LIMIT ?]]

---@param queue string
---@param status string
---@param max integer
---@return table[]|nil rows newest first
---@return tide.Error|nil err
function M.list(queue, status, max)
  return db.query(SQL_LIST, { queue, status, max })
end

local SQL_RETRY = [[
UPDATE queue_jobs SET status = 'later', run_at = ?1, attempt = 0,
  updated_at = ?1
WHERE id = ?2 AND status = 'dead']]

--- Lets a dead job begin anew.
---@param id integer
---@return true|nil
---@return tide.Error|nil err job_not_found, duplicate (its key has a new job)
function M.retry(id)
  local done, err = db.write({ { SQL_RETRY, { time.unix_us(), id } } })
  if done and done[1].changes == 0 then
    return nil, errors.new("job_not_found")
  end
  return done and true, err
end

--- Removes a job that does not run.
---@param id integer
---@return true|nil
---@return tide.Error|nil err job_not_found
function M.remove(id)
  local done, err = db.write({
    { "DELETE FROM queue_jobs WHERE id = ? AND status <> 'running'", { id } },
  })
  if done and done[1].changes == 0 then
    return nil, errors.new("job_not_found")
  end
  return done and true, err
end

return M
