---@meta tide.config

--- The settings in effect, without secrets.
---
--- ```lua
--- local base = config.get("public_url")
--- ```
---@class tide.config
local config = {}

--- A setting with its type: durations in ms, sizes in bytes, lists as tables.
--- Raises on unknown keys, so a misspelt key is found when the scripts load.
---@param key string e.g. "public_url", "cors.origins", "demo", "token.ttl"
---@return string|integer|boolean|string[] value
function config.get(key) end

return config
