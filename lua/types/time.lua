---@meta tide.time

---@class tide.time
local time = {}

--- RFC 3339 UTC with six fraction digits and Z, strictly increasing a process.
---@return string
function time.now() end

---@return integer seconds since 1970
function time.unix() end

--- Strictly increasing a process: names sessions.
---@return integer nanoseconds since 1970
function time.unix_ns() end

--- For measuring how long something takes.
---@return integer milliseconds of a clock that never jumps
function time.mono_ms() end

--- Yields.
---@param ms integer
function time.sleep(ms) end

return time
