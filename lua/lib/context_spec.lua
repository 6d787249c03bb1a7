--- What policy/context.lua is asked, made in one place: for turns, for scripts
--- that look at a conversation, and for the check of the policy. Pure.

local M = {}

--- A policy may ask for the history as tables: they are made then.
local LAZY = {
  __index = function(spec, key)
    if key ~= "rows" then
      return nil
    end
    local rows = spec.history:tables(true)
    spec.rows = rows
    return rows
  end,
}

---@param spec ContextSpec without `rows`; changed
---@return ContextSpec spec
function M.of(spec)
  return setmetatable(spec, LAZY)
end

return M
