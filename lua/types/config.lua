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
---@return any value a string, an integer, a boolean, or a list of strings; of
--- a plugin also a number or a tide.Secret
function config.get(key) end

return config
