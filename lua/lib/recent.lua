--- A map that forgets what was not asked for lately, so that it never grows
--- beyond a bound. Two generations: what is asked for moves into the young one;
--- when that is full it becomes the old one, and the old one is dropped.

local M = {}

---@class Recent
---@field max integer entries of a generation
---@field count integer entries of the young one
---@field young table
---@field old table
local Recent = {}
Recent.__index = Recent

---@param max integer about how many entries stay
---@return Recent
function M.new(max)
  return setmetatable(
    { max = max, count = 0, young = {}, old = {} },
    Recent
  )
end

---@param key any
---@param value any not nil
function Recent:put(key, value)
  if self.young[key] == nil then
    if self.count == self.max then
      self.old, self.young, self.count = self.young, {}, 0
    end
    self.count = self.count + 1
  end
  self.young[key] = value
end

---@param key any
---@return any value nil: it is not there, or was forgotten
function Recent:get(key)
  local value = self.young[key]
  if value == nil then
    value = self.old[key]
    if value ~= nil then
      self:put(key, value)
    end
  end
  return value
end

return M
