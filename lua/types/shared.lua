---@meta tide.shared

--- Small values that all workers share and that outlive reloads (a restart
--- forgets them): counters, limits, marks. Of several servers each has its own
--- (scaling.md). Memory is bounded by the setting `shared.memory`; when it is
--- full, the values that were unused for the longest time are removed.
---
--- ```lua
--- local requests = shared.dict("requests")
---
--- local n = requests:incr("user:" .. user.id, 1, 60000)
--- if n and n > 100 then
---   return nil, { code = "too_many_requests" }
--- end
--- ```
---@class tide.shared
local shared = {}

---@class tide.SharedDict
local SharedDict = {}

--- The dictionary of this name; the same one on all workers and in all
--- generations. Cheap: it is only a name.
---@param name string 1 to 64 bytes
---@return tide.SharedDict dict
function shared.dict(name) end

--- The value of a key. Only in a task.
---@param key string 1 to 512 bytes
---@return integer|string|nil value nil when there is none, or it has expired
function SharedDict:get(key) end

--- Sets a value and replaces any earlier one. Only in a task.
---@param key string
---@param value integer|string
---@param ttl_ms? integer milliseconds until it expires, at most 365 days;
--- default 0: never
---@return true|nil ok
---@return tide.Error|nil err shared_too_large: over a quarter of a shard (4 MiB)
function SharedDict:set(key, value, ttl_ms) end

--- Sets a value only if there is none: of several callers, exactly one gets
--- true. Only in a task.
---@param key string
---@param value integer|string
---@param ttl_ms? integer
---@return boolean|nil added
---@return tide.Error|nil err shared_too_large
function SharedDict:add(key, value, ttl_ms) end

--- Adds to an integer in one step, so that no count is lost between workers.
--- A missing value counts as 0. Only in a task.
---@param key string
---@param by? integer default 1, may be negative
---@param ttl_ms? integer milliseconds, only for a key that this call creates: an
--- existing key keeps its expiry, so a counter has a fixed window
---@return integer|nil sum
---@return tide.Error|nil err shared_not_integer: the value is a string, or the
--- sum does not fit
function SharedDict:incr(key, by, ttl_ms) end

--- Removes a key. Only in a task.
---@param key string
---@return boolean deleted false when there was none
function SharedDict:delete(key) end

--- The time until a value expires. Only in a task.
---@param key string
---@return integer|nil ttl_ms milliseconds; 0: it does not expire; nil: there is
--- no such key
function SharedDict:ttl(key) end

return shared
