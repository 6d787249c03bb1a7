---@meta tide.config

---@class tide.config
local config = {}

--- A setting in force, typed (durations in ms, sizes in bytes, lists as
--- tables). Unknown keys raise.
---@param key string e.g. "public_url", "cors.origins", "demo", "token.ttl"
---@return any
function config.get(key) end

return config
