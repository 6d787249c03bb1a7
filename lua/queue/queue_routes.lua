--- The queues for the operator, on the admin listener (as the routes of
--- accounts, account/admin_user_routes.lua). `tidetalk queue` speaks to these.

local errors = require "lib.errors"
local fields = require "web.fields"
local jobs = require "queue.jobs"
local objects = require "web.objects"
local queues = require "queue.queues"
local time = require "tide.time"

local QUEUE = objects.object({
  name = "string",
  declared = "boolean", -- false: no script has it any more
  waiting = "integer",
  later = "integer",
  running = "integer",
  dead = "integer",
})

local JOB = objects.object({
  id = "integer",
  queue = "string",
  user_id = "integer",
  key = "string",
  status = "string",
  attempt = "integer",
  attempts = "integer",
  payload = "string", -- the JSON text
  error = "string",
  run_at = "string",
  created_at = "string",
  updated_at = "string",
})

local STATUSES = { "dead", "waiting", "later", "running" }

---@param row table
---@return table
local function present(row)
  return {
    id = row.id,
    queue = row.queue,
    user_id = row.user_id,
    key = row.unique_key,
    status = row.status,
    attempt = row.attempt,
    attempts = row.attempts,
    payload = row.payload,
    error = row.error,
    run_at = time.format(row.run_at),
    created_at = time.format(row.created_at),
    updated_at = time.format(row.updated_at),
  }
end

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.list()
  local counts, err = jobs.counts()
  if not counts then
    return nil, err
  end
  for _, name in ipairs(queues.names()) do
    counts[name] = counts[name] or {}
  end
  local data = {}
  for name, count in pairs(counts) do
    local shown = { name = name, declared = queues.get(name) ~= nil }
    for _, status in ipairs(STATUSES) do
      shown[status] = count[status] or 0
    end
    data[#data + 1] = shown
  end
  table.sort(data, function(a, b)
    return a.name < b.name
  end)
  return { json = { data = data } }
end

function handlers.jobs(req)
  local args = req.args
  local rows, err = jobs.list(args.queue, args.status, args.limit)
  return rows and { json = { data = objects.map(rows, present) } }, err
end

function handlers.retry(req)
  local done, err = jobs.retry(req.args.id)
  if not done and err and err.code == "duplicate" then
    err = errors.new("job_key_in_use")
  end
  return done and { json = {} }, err
end

function handlers.remove(req)
  local done, err = jobs.remove(req.args.id)
  return done and { json = {} }, err
end

local ID = { fields = { { name = "id", type = "integer", min = 1 } } }
local NOTHING = objects.object({})

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/admin/queues",
    listener = "admin",
    auth = "none",
    summary = "The queues, and how many jobs they have",
    response = objects.object({ data = objects.list(QUEUE) }),
    handler = handlers.list,
  },
  {
    method = "GET",
    path = "/admin/queues/:queue/jobs",
    listener = "admin",
    auth = "none",
    summary = "Jobs of a queue, newest first",
    params = { fields = { fields.name("queue") } },
    query = {
      type = "object",
      fields = {
        {
          name = "status",
          type = "string",
          default = "dead",
          enum = STATUSES,
        },
        {
          name = "limit",
          type = "integer",
          default = 100,
          min = 1,
          max = 1000,
          clamp = true,
        },
      },
    },
    response = objects.object({ data = objects.list(JOB) }),
    handler = handlers.jobs,
  },
  {
    method = "POST",
    path = "/admin/queue-jobs/:id/retry",
    listener = "admin",
    auth = "none",
    summary = "Let a dead job begin anew",
    params = ID,
    response = NOTHING,
    handler = handlers.retry,
  },
  {
    method = "DELETE",
    path = "/admin/queue-jobs/:id",
    listener = "admin",
    auth = "none",
    summary = "Remove a job that does not run",
    params = ID,
    response = NOTHING,
    handler = handlers.remove,
  },
}
