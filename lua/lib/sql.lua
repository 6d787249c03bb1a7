--- Statements whose columns are a list: the columns are written once, and their
--- values come in the same order.

local json = require "tide.json"

local M = {}

--- "a = COALESCE(?, a), b = COALESCE(?, b)": a change of these columns in which
--- null leaves a column as it is.
---@param columns string[]
---@return string
function M.changes(columns)
  local list = {}
  for i, column in ipairs(columns) do
    list[i] = ("%s = COALESCE(?, %s)"):format(column, column)
  end
  return table.concat(list, ", ")
end

--- "?, ?, ?": a place for each value.
---@param count integer
---@return string
function M.places(count)
  return ("?, "):rep(count - 1) .. "?"
end

--- The values of these columns, in their order.
---@param columns string[]
---@param row table column -> value, nil = null
---@param ... any values that come after them
---@return any[]
function M.values(columns, row, ...)
  local values = {}
  for i, column in ipairs(columns) do
    local value = row[column]
    values[i] = value == nil and json.null or value
  end
  for i = 1, select("#", ...) do
    values[#values + 1] = (select(i, ...))
  end
  return values
end

return M
