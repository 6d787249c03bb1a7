---@meta tide.timer

--- Work that runs at a set time instead of for a request, as its own task. What
--- is declared runs in a server (serve, dev, test), not in `repl` or `user`.
---
--- ```lua
--- timer.every("sweep", 60000, function()
---   db.write({ { "DELETE FROM notes WHERE expires_at < ?", { time.now() } } })
--- end)
---
--- timer.cron("0 3 * * *", "Europe/Berlin", function(tick)
---   log.info("good night", { missed = tick.missed })
--- end)
--- ```
---@class tide.timer
local timer = {}

---@class tide.Tick
---@field name string of the timer
---@field number integer counts from 1, also across reloads (those of timer.cron
--- across restarts too); missed ticks are counted too
---@field missed integer ticks left out before this one, because the previous
--- one took longer than the interval or the worker was busy; of timer.cron also
--- because the server was down or ended during the tick, at most 10000
---@field at integer|nil of timer.cron: the scheduled time that this tick stands
--- for, in microseconds since 1970

--- Declares a timer. Only while a module loads. It runs on one worker of the
--- process, for the first time `ms` after the start; a reload changes neither
--- its rhythm nor its numbers. Ticks never overlap. An error is logged and
--- counted, and the next tick still comes.
---@param name string 1 to 64 bytes, once in all scripts
---@param ms integer milliseconds, 10 to 30 days
---@param fn async fun(tick: tide.Tick) may wait
---@param options? tide.TimerOptions
---@return nil
function timer.every(name, ms, fn, options) end

---@class tide.TimerOptions
---@field first? "due"|"start" "start": the first tick comes at once, when the
--- server has started or a reload brings the timer; default "due"
---@field nodes? "one"|"each" when several servers share the database: "one" of
--- them runs the timer, and another one goes on when it is gone; "each" for what
--- is about this server's own memory; default "one"

--- Declares a timer that follows the calendar. Only while a module loads. Like
--- those of timer.every it runs on one worker, and ticks never overlap.
---
--- The schedule has cron's five fields: minute, hour, day of the month, month,
--- day of the week (0 or 7 is Sunday); `*`, lists `1,5`, ranges `1-5` and
--- `mon-fri`, steps `*/15`. When both days are restricted, one of them is enough.
--- There are `@yearly`, `@monthly`, `@weekly`, `@daily` and `@hourly`. The zone
--- has a name as for time.parts.
---
--- Where clocks change, each time of a schedule with fixed hours comes once: one
--- that clocks are put forward over at that moment, one that exists twice the
--- first time. With `*` for the hour it comes in every hour that passes, so
--- twice in the hour that exists twice.
---
--- What happened is in the database: a tick is told how many were missed while
--- the server was down. A tick that the end of the process cut off counts as
--- missed. With another schedule nothing was missed.
---@param schedule string "0 3 * * *"
---@param zone string "Europe/Berlin"
---@param fn async fun(tick: tide.Tick) may wait
---@param options? tide.CronOptions
---@return nil
function timer.cron(schedule, zone, fn, options) end

---@class tide.CronOptions
---@field name? string 1 to 64 bytes, once in all scripts; default the schedule
--- and the zone
---@field first? "due"|"missed"|"start" "missed": when the server starts and
--- ticks were missed, one comes at once, for the last of them; "start": one
--- comes at every start; default "due": the next one comes when it is due

--- The next time of a schedule, for one that a user has written.
---@param schedule string
---@param zone string
---@param after? integer microseconds since 1970, default now
---@return integer|nil microseconds since 1970
---@return tide.Error|nil err invalid_schedule, unknown_zone
function timer.next(schedule, zone, after) end

--- A scheduled call.
---@class tide.Timer
local Timer = {}

--- Calls a function once, later, as its own task that outlives this one. Only
--- in a task. It runs the code that created it, even after a reload, and is
--- dropped if the server stops first.
---@param ms integer milliseconds, at most 1 hour
---@param fn async fun() may wait
---@return tide.Timer|nil timer
---@return tide.Error|nil err "busy": 1000 calls of this worker are waiting
function timer.after(ms, fn) end

--- Cancels the call. Only in a task.
---@return boolean cancelled false when it has begun already
function Timer:cancel() end

return timer
