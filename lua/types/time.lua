---@meta tide.time

--- Clocks, and waiting.
---
--- ```lua
--- local began = time.mono_ms()
--- time.sleep(250)
--- log.info("slept", { ms = time.mono_ms() - began })
--- ```
---@class tide.time
local time = {}

--- RFC 3339 UTC with six fraction digits and Z, strictly increasing within a
--- process, so rows sort in the order of their creation.
---@return string now "2026-01-02T03:04:05.123456Z"
function time.now() end

--- The wall clock.
---@return integer seconds since 1970
function time.unix() end

--- Strictly increasing within a process; used to name sessions.
---@return integer nanoseconds since 1970
function time.unix_ns() end

--- A clock for measuring durations.
---@return integer milliseconds of a clock that never jumps
function time.mono_ms() end

--- Reads an RFC 3339 time, with any offset and any number of fraction digits
--- (those after the sixth are dropped).
---@param text string "2026-01-02T03:04:05+08:00"
---@return integer|nil microseconds since 1970, UTC
---@return tide.Error|nil err invalid_time
function time.parse(text) end

--- Writes a time in the form of time.now.
---@param microseconds integer since 1970, of the years 0 to 9999
---@return string text "2026-01-01T19:04:05.000000Z"
function time.format(microseconds) end

--- Waits.
---@async
---@param ms integer milliseconds
---@return nil
function time.sleep(ms) end

return time
