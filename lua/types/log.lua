---@meta tide.log

--- The server's log. Never log prompts, replies or keys.
---
--- ```lua
--- log.info("quota used up", { user_id = user.id, used = used })
--- ```
---@class tide.log
local log = {}

--- For who looks for a fault; off by default.
---@param message string
---@param fields? table<string, string|number|boolean> at most 16; others raise
---@return nil
function log.debug(message, fields) end

--- What the operator may want to know.
---@param message string
---@param fields? table<string, string|number|boolean>
---@return nil
function log.info(message, fields) end

--- What is wrong, but was dealt with.
---@param message string
---@param fields? table<string, string|number|boolean>
---@return nil
function log.warn(message, fields) end

--- What somebody must look at.
---@param message string
---@param fields? table<string, string|number|boolean>
---@return nil
function log.error(message, fields) end

return log
