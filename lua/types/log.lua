---@meta tide.log

--- The server's log. Never log prompts, replies or keys.
---
--- ```lua
--- log.info("quota used up", { user_id = user.id, used = used })
--- ```
---@class tide.log
local log = {}

--- For finding faults; off by default.
---@param message string
---@param fields? table<string, string|number|boolean> at most 16; others raise
---@return nil
function log.debug(message, fields) end

--- For information that the operator may want.
---@param message string
---@param fields? table<string, string|number|boolean>
---@return nil
function log.info(message, fields) end

--- For problems that were handled.
---@param message string
---@param fields? table<string, string|number|boolean>
---@return nil
function log.warn(message, fields) end

--- For problems that somebody must look at.
---@param message string
---@param fields? table<string, string|number|boolean>
---@return nil
function log.error(message, fields) end

return log
