---@meta tide.time

--- Clocks, times in time zones, and waiting. A time is an integer: microseconds
--- since 1970, UTC. So `<` compares two of them and `-` tells how far apart they
--- are.
---
--- ```lua
--- local began = time.mono_ms()
--- time.sleep(250)
--- log.info("slept", { ms = time.mono_ms() - began })
---
--- local tomorrow = time.add(time.unix_us(), { days = 1 }, "Europe/Berlin")
--- log.info("tomorrow", { at = time.format(tomorrow, "Europe/Berlin") })
--- ```
---
--- Zones have IANA names ("Asia/Shanghai"). They come from the system's files in
--- /usr/share/zoneinfo (package tzdata), or from the folder that TZDIR names; a
--- file is read once in a process. Without these files only "UTC" is known.
---@class tide.time
local time = {}

--- RFC 3339 UTC with six fraction digits and Z, strictly increasing within a
--- process, so rows sort in the order of their creation.
---@return string now "2026-01-02T03:04:05.123456Z"
function time.now() end

--- The wall clock.
---@return integer seconds since 1970
function time.unix() end

--- The wall clock as a time.
---@return integer microseconds since 1970, UTC
function time.unix_us() end

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

--- Writes a time as RFC 3339: in the form of time.now, or with a zone with its
--- offset.
---@param microseconds integer since 1970, of the years 0 to 9999
---@param zone? string
---@return string|nil text "2026-01-01T19:04:05.000000Z", or
--- "2026-01-02T03:04:05.000000+08:00"
---@return tide.Error|nil err unknown_zone
function time.format(microseconds, zone) end

--- What a clock and a calendar on the wall show.
---@class tide.TimeParts
---@field year integer
---@field month integer from 1
---@field day integer from 1
---@field hour integer
---@field minute integer
---@field second integer
---@field microsecond integer
---@field weekday integer 1 (Monday) to 7 (Sunday)
---@field yearday integer from 1
---@field offset integer seconds to add to UTC
---@field summer boolean daylight saving time
---@field zone string the abbreviation in use, such as "CEST"

--- Takes a time apart.
---@param microseconds integer since 1970
---@param zone? string default "UTC"
---@return tide.TimeParts|nil parts
---@return tide.Error|nil err unknown_zone
function time.parts(microseconds, zone) end

---@class tide.TimeOfDay
---@field year integer 1 to 9998
---@field month? integer default 1
---@field day? integer default 1
---@field hour? integer default 0
---@field minute? integer default 0
---@field second? integer default 0
---@field microsecond? integer default 0
---@field later? boolean where clocks are put back and the time comes twice:
--- the second one

--- The time at which clocks in a zone show this. A time that clocks are put
--- forward over becomes the moment at which they are; one that comes twice is
--- the first.
---@param parts tide.TimeOfDay|tide.TimeParts
---@param zone? string default "UTC"
---@return integer|nil microseconds since 1970
---@return tide.Error|nil err invalid_time (there is no 30 February),
--- unknown_zone
function time.at(parts, zone) end

---@class tide.TimeSteps
---@field years? integer these may all be negative
---@field months? integer
---@field weeks? integer
---@field days? integer
---@field hours? integer
---@field minutes? integer
---@field seconds? integer
---@field microseconds? integer

--- Moves a time. Years, months, weeks and days are steps in the calendar of the
--- zone, so the time of day stays even if a day has 23 hours; a day that the
--- month does not have becomes its last one (31 January and a month is 28
--- February). Hours and below are durations, and added after that.
---@param microseconds integer since 1970
---@param steps tide.TimeSteps
---@param zone? string default "UTC"
---@return integer|nil microseconds
---@return tide.Error|nil err invalid_time (out of the years 1 to 9998),
--- unknown_zone
function time.add(microseconds, steps, zone) end

--- Waits.
---@async
---@param ms integer milliseconds
---@return nil
function time.sleep(ms) end

return time
