---@meta tide.cache

--- Strings by key and row version, in this process and, when `redis_url` is
--- set, in Redis. It may forget anything at any time: on nil, read the database
--- and put the value.
---
--- ```lua
--- local text = cache.get("title:" .. row.id, row.version)
--- if not text then
---   text = make_title(row)
---   cache.put("title:" .. row.id, row.version, text, 3600000)
--- end
--- ```
---@class tide.cache
local cache = {}

--- The value put under exactly this row version. Waits only when Redis is
--- needed; never fails.
---@async
---@param key string 1 to 512 bytes; carries the user id
---@param version integer of the row, just read
---@return string|nil value nil: read the database and put
function cache.get(key, version) end

--- Stores a value in this process at once, and in Redis in the background.
--- Values that are too large are not stored. Never put plain-text secrets. Only
--- in a task.
---@param key string 1 to 512 bytes
---@param version integer
---@param value string
---@param ttl_ms integer 1 ms to 365 days
---@return nil
function cache.put(key, version, value, ttl_ms) end

--- Removes a value: from this process at once, from Redis soon. Call it after
--- the commit. Only in a task.
---@param key string
---@return nil
function cache.delete(key) end

--- Removes the keys with this prefix from this process only (those in Redis
--- expire). It walks all entries, so use it rarely. Only in a task.
---@param prefix string
---@return integer removed
function cache.delete_prefix(prefix) end

--- Whether stored values outlive this process: a Redis is configured, reachable
--- or not.
---@return boolean
function cache.is_shared() end

---@class tide.CacheStats
---@field entries integer
---@field bytes integer
---@field max_bytes integer
---@field hits integer
---@field misses integer
---@field stale integer
---@field expired integer
---@field puts integer
---@field evicted integer
---@field redis table state, opened, hits, misses, errors, timeouts, skipped

--- Counts since the start of the process. Only in a task.
---@return tide.CacheStats stats
function cache.stats() end

return cache
