--- Which key of a configuration is asked with. Several take turns, over all
--- workers; one that is refused is followed by the next (core/upstream).

local shared = require "tide.shared"

local M = {}

local turns = shared.dict("key_turns")

--- A model's keys in the order in which they are tried.
---@param model Model
---@return tide.Secret[]
function M.order(model)
  local keys = model.keys
  local count = #keys
  if count < 2 then
    return keys
  end
  local turn = turns:incr(tostring(model.id)) or 0
  local order = {}
  for i = 1, count do
    order[i] = keys[(turn + i - 2) % count + 1]
  end
  return order
end

--- The headers of a call with another key.
---@param headers table<string, any>
---@param old tide.Secret
---@param new tide.Secret
---@return table<string, any>
function M.with_key(headers, old, new)
  local changed = {}
  for name, value in pairs(headers) do
    if value == old then
      value = new
    elseif type(value) == "table" then
      local parts = {}
      for i, part in ipairs(value) do
        parts[i] = part == old and new or part
      end
      value = parts
    end
    changed[name] = value
  end
  return changed
end

return M
