---@meta tide.usage

--- What users have used, and whether they may go on. Replies and chat.ask are
--- counted by the core.
---
--- ```lua
--- local days, err = usage.days(req.user.id, { from = "2026-01-01" })
--- ```
---@class tide.usage
local usage = {}

---@class tide.UsageDay
---@field date string YYYY-MM-DD (UTC)
---@field model_name string
---@field requests integer
---@field input_tokens integer
---@field output_tokens integer
---@field estimated boolean
---@field possibly_charged_twice integer

--- A user's usage by day and model, oldest first.
---@async
---@param user integer
---@param span? {from?: string, to?: string} days, YYYY-MM-DD; default: the last 30
---@return tide.UsageDay[]|nil days
---@return tide.Error|nil err invalid_field
function usage.days(user, span) end

---@class tide.UsageSpec
---@field user integer
---@field model string
---@field input_tokens integer
---@field output_tokens? integer
---@field estimated? boolean

--- Adds a request to today's usage: of a service that a script asks by itself.
---@async
---@param entry tide.UsageSpec
---@return true|nil ok
---@return tide.Error|nil err user_not_found
function usage.add(entry) end

--- Whether the user may ask a model once more, by the settings and the hook
--- `quota`; counts as a request. chat.ask and chat.turn check by themselves.
---@async
---@param user integer
---@param model string
---@return true|nil ok
---@return tide.Error|nil err limit_reached
function usage.check(user, model) end

return usage
