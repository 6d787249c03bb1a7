---@meta tide.cache

--- Strings by key and row version, in this process and, when `redis_url` is
--- set, in Redis. It may forget anything at any time: who gets nil asks the
--- database and puts.
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

--- The value put under exactly this row version. Waits only when Redis must be
--- asked; never fails.
---@async
---@param key string 1 to 512 bytes; carries the user id
---@param version integer of the row, just read
---@return string|nil value nil: ask the database and put
function cache.get(key, version) end

--- Kept in this process at once, in Redis in the background. Too large values
--- are not kept. Never put secrets in clear. Only in a task.
---@param key string 1 to 512 bytes
---@param version integer
---@param value string
---@param ttl_ms integer 1 ms to 365 days
---@return nil
function cache.put(key, version, value, ttl_ms) end

--- Gone from this process when it returns, from Redis soon. Call after commit.
--- Only in a task.
---@param key string
---@return nil
function cache.delete(key) end

--- This process's entries only (Redis' expire); walks everything: rare use.
--- Only in a task.
---@param prefix string
---@return integer removed
function cache.delete_prefix(prefix) end

--- Whether what is put outlives this process: there is a Redis, dead or alive.
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
