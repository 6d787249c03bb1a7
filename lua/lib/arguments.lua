--- The tables that documented functions (lua/tide/) take. A wrong one is a
--- mistake in the script that calls, so it raises, and says what is wrong.

local M = {}

---@param types string "integer", "string|table?"
---@param value any
---@return boolean
local function is_of(types, value)
  if value == nil then
    return types:sub(-1) == "?"
  end
  for name in types:gmatch("%a+") do
    if type(value) == name or math.type(value) == name then
      return true
    end
  end
  return false
end

---@param fields table<string, string>
---@return string
local function names_of(fields)
  local names = {}
  for name in pairs(fields) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Checks the one table that a function takes.
---@param called string the function, "chat.ask"
---@param given any
---@param fields table<string, string> member -> its types, joined by "|"; one
--- with "?" behind them may be absent
function M.check(called, given, fields)
  if type(given) ~= "table" then
    error(("%s takes a table, not a %s"):format(called, type(given)), 3)
  end
  for name in pairs(given) do
    if not fields[name] then
      error(("%s: '%s' is no member; there are %s"):format(called,
        tostring(name), names_of(fields)), 3)
    end
  end
  for name, types in pairs(fields) do
    if not is_of(types, given[name]) then
      error(("%s: '%s' must be of type %s, not %s"):format(called, name,
        (types:gsub("%?$", ""):gsub("|", " or ")),
        math.type(given[name]) or type(given[name])), 3)
    end
  end
end

--- Checks one argument.
---@param called string
---@param name string
---@param value any
---@param types string likewise
function M.check_one(called, name, value, types)
  if not is_of(types, value) then
    error(("%s: %s must be of type %s, not %s"):format(called, name,
      (types:gsub("%?$", ""):gsub("|", " or ")),
      math.type(value) or type(value)), 3)
  end
end

return M
