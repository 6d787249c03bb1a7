---@meta tide.queue

--- Durable jobs: work that must be done although the server may end at any time.
--- A job is a row until it has ended well. It is done **at least once**: when the
--- server ends in the middle, or the job takes longer than its time, it is
--- repeated, so what it does should be harmless to do twice. Jobs that failed
--- too often are kept as dead ones (`tidetalk queue`).
---
--- ```lua
--- queue.define("mail", {
---   run = function(job)
---     local answer, err = http.request({ url = job.payload.url })
---     return answer, err
---   end,
--- })
--- ```
---
--- and in a handler:
---
--- ```lua
--- local pushed, err = queue.push("mail", { url = url }, { user = req.user.id })
--- ```
---
--- The jobs of one user take turns with those of others, so that one user's
--- backlog holds nobody up; each queue has its own places to run. A job runs with
--- the scripts of the day, one that runs during a reload ends with its own.
---@class tide.queue
local queue = {}

---@class tide.Job
---@field id integer
---@field queue string
---@field payload any what was pushed
---@field attempt integer the number of this attempt, from 1
---@field attempts integer so many there may be
---@field user integer|nil whose work it is
---@field key string|nil
---@field created_at integer microseconds since 1970

--- `run` ends a job well by returning anything but nil and an error. When it
--- raises, takes too long, or returns nil and an error, the job is tried again
--- after a while; `retry_after` (seconds) in the error says after how long, and
--- `retry = false` that it is in vain.
---@class tide.QueueSpec
---@field run fun(job: tide.Job): any, any may wait
---@field concurrency? integer jobs that run at a time, 1 to 32; default 4
---@field user_concurrency? integer of them one user's; default half of them
---@field attempts? integer default 5
---@field backoff? integer|fun(attempt: integer): integer milliseconds until the
--- second attempt, doubled for each further one, at most an hour; or a function.
--- Up to a quarter is added by chance. Default 1000
---@field timeout? integer milliseconds, at most an hour; default 60000
---@field backlog? integer jobs that are not dead; default 10000
---@field user_backlog? integer of them one user's; default a tenth of them

--- Declares a queue. Only while a module loads; in a plugin, write it into
--- `queues` instead.
---@param name string letters, digits, `_`, `.` and `-`; once in all scripts
---@param spec tide.QueueSpec
---@return nil
function queue.define(name, spec) end

---@class tide.PushOptions
---@field delay? integer milliseconds until it may begin, at most 30 days
---@field key? string 1 to 200 bytes; a queue has one job with a key until it has
--- ended
---@field attempts? integer instead of the queue's
---@field user? integer whose work it is: it takes turns with other users' jobs,
--- and goes with the user's account

---@class tide.PushedJob
---@field id integer
---@field new boolean false: a job with this key was there already

--- Adds a job. When this returns, the job is in the database. Only in a task.
--- Raises when no queue has this name.
---@async
---@param name string
---@param payload any JSON, at most 64 KiB
---@param options? tide.PushOptions
---@return tide.PushedJob|nil pushed
---@return tide.Error|nil err queue_full (also the user's part of it),
--- job_too_large, foreign_key (there is no such user)
function queue.push(name, payload, options) end

return queue
