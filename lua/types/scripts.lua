---@meta tide.scripts

--- The scripts of this generation.
---
--- ```lua
--- for _, name in ipairs(scripts.names("providers")) do
---   log.info("a provider", { name = name })
--- end
--- ```
---@class tide.scripts
local scripts = {}

--- The names of the files directly in a folder of lua/, without ".lua".
---@param folder string "providers"
---@return string[] names sorted
function scripts.names(folder) end

return scripts
