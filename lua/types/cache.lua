---@meta tide.cache

---@class tide.cache
local cache = {}

--- The value put under exactly this row version, else nil: then ask the
--- database and put. Yields only when Redis must be asked; never fails.
---@param key string 1 to 512 bytes; carries the user id
---@param version integer of the row, just read
---@return string|nil value
function cache.get(key, version) end

--- Kept in this process at once, in Redis in the background. Too large values
--- are not kept. Never put secrets in clear.
---@param key string
---@param version integer
---@param value string
---@param ttl_ms integer 1 ms to 365 days
function cache.put(key, version, value, ttl_ms) end

--- Gone from this process when it returns, from Redis soon. Call after commit.
---@param key string
function cache.delete(key) end

--- This process's entries only (Redis' expire); walks everything: rare use.
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

---@return tide.CacheStats
function cache.stats() end

return cache
