--- The name that a misspelt one was most likely meant to be. Pure.

local M = {}

--- How many letters must be put in, left out or replaced to get from one name
--- to the other.
---@param a string
---@param b string
---@return integer
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local corner = row[0]
    row[0] = i
    for j = 1, #b do
      local replaced = corner + (a:byte(i) == b:byte(j) and 0 or 1)
      corner = row[j]
      row[j] = math.min(replaced, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

--- The known name that is nearest, unless all of them are far off.
---@param name string
---@param known string[]
---@return string|nil
function M.find(name, known)
  local least, nearest = #name // 2 + 1, nil
  for _, other in ipairs(known) do
    local begins = #name > 2 and other:sub(1, #name) == name
    local far = begins and 1 or distance(name, other)
    if far < least then
      least, nearest = far, other
    end
  end
  return nearest
end

return M
