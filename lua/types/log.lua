---@meta tide.log

--- Never log prompts, replies or keys. Fields are strings, numbers, booleans.
---@class tide.log
local log = {}
---@param message string
---@param fields? table
function log.debug(message, fields) end
---@param message string
---@param fields? table
function log.info(message, fields) end
---@param message string
---@param fields? table
function log.warn(message, fields) end
---@param message string
---@param fields? table
function log.error(message, fields) end

return log
