---@meta tide.timer

--- What runs at its time and not for a request, as a task of its own.
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
---@field number integer counts from 1, also across reloads; what was missed is
--- counted too
---@field missed integer ticks left out before this one, because the one before
--- took longer than the interval or the worker was busy

--- Declares a timer. Only while a module loads. It runs on one worker of the
--- process, the first time `ms` after the start; a reload changes neither its
--- rhythm nor its numbers, whatever else it changes. Ticks never overlap. An
--- error is logged and counted, and the next tick comes all the same.
---@param name string 1 to 64 bytes, once in all scripts
---@param ms integer milliseconds, 10 to 30 days
---@param fn fun(tick: tide.Tick) may wait
---@return nil
function timer.every(name, ms, fn) end

--- A call that waits for its time.
---@class tide.Timer
local Timer = {}

--- Calls a function once, later, as a task of its own that outlives this one.
--- Only in a task. It runs the code it was made by, also after a reload, and is
--- dropped when the server stops first.
---@param ms integer milliseconds, at most 1 hour
---@param fn fun() may wait
---@return tide.Timer|nil timer
---@return tide.Error|nil err "busy": 1000 of this worker wait already
function timer.after(ms, fn) end

--- Leaves the call out. Only in a task.
---@return boolean cancelled false when it has begun already
function Timer:cancel() end

return timer
