---@meta tide.timer

--- Work that runs at a set time instead of for a request, as its own task.
---
--- ```lua
--- timer.every("sweep", 60000, function()
---   db.write({ { "DELETE FROM notes WHERE expires_at < ?", { time.now() } } })
--- end)
--- ```
---@class tide.timer
local timer = {}

---@class tide.Tick
---@field name string of the timer
---@field number integer counts from 1, also across reloads; missed ticks are
--- counted too
---@field missed integer ticks left out before this one, because the previous
--- one took longer than the interval or the worker was busy

--- Declares a timer. Only while a module loads. It runs on one worker of the
--- process, for the first time `ms` after the start; a reload changes neither
--- its rhythm nor its numbers. Ticks never overlap. An error is logged and
--- counted, and the next tick still comes.
---@param name string 1 to 64 bytes, once in all scripts
---@param ms integer milliseconds, 10 to 30 days
---@param fn fun(tick: tide.Tick) may wait
---@return nil
function timer.every(name, ms, fn) end

--- A scheduled call.
---@class tide.Timer
local Timer = {}

--- Calls a function once, later, as its own task that outlives this one. Only
--- in a task. It runs the code that created it, even after a reload, and is
--- dropped if the server stops first.
---@param ms integer milliseconds, at most 1 hour
---@param fn fun() may wait
---@return tide.Timer|nil timer
---@return tide.Error|nil err "busy": 1000 calls of this worker are waiting
function timer.after(ms, fn) end

--- Cancels the call. Only in a task.
---@return boolean cancelled false when it has begun already
function Timer:cancel() end

return timer
