---@meta tide.config

--- The settings in force; secrets are not among them.
---
--- ```lua
--- local base = config.get("public_url")
--- ```
---@class tide.config
local config = {}

--- A setting, typed: durations in ms, sizes in bytes, lists as tables. Raises
--- on unknown keys, so a misspelt one shows when the scripts load.
---@param key string e.g. "public_url", "cors.origins", "demo", "token.ttl"
---@return string|integer|boolean|string[] value
function config.get(key) end

return config
