--- Parts of long lists: a page of one whose number of rows is known, and pieces
--- that are small whatever is in the rows.

local db = require "tide.db"

local M = {}

---@param rows table[]
---@return table[]
local function reversed(rows)
  local result = {}
  for i, row in ipairs(rows) do
    result[#rows + 1 - i] = row
  end
  return result
end

--- Reads a page. A database counts the rows that it skips, so a page in the
--- second half is read from the list's end.
---@async
---@param total integer rows of the list
---@param limit integer
---@param offset integer
---@param statements {[1]: string, [2]: string} the list, and the list backwards
---@param ... any their values; "LIMIT ? OFFSET ?" comes after these
---@return table[]|nil rows, tide.Error|nil err
function M.read(total, limit, offset, statements, ...)
  limit = math.min(limit, total - offset)
  if limit <= 0 then
    return {}
  end
  local values = { ... }
  values[#values + 1] = limit
  local behind = total - offset - limit
  if behind >= offset then
    values[#values + 1] = offset
    return db.query(statements[1], values)
  end
  values[#values + 1] = behind
  local rows, err = db.query(statements[2], values)
  return rows and reversed(rows), err
end

--- Cuts rows into pieces of at most so many characters; a row that has more is
--- a piece of its own.
---@param sizes {id: integer, size: integer}[]
---@param chars_max integer
---@return fun(): integer|nil, integer|nil next ids of a piece's first and last
--- row
function M.pieces(sizes, chars_max)
  local at = 1
  return function()
    local first = sizes[at]
    if not first then
      return nil
    end
    local chars = first.size
    while sizes[at + 1] and chars + sizes[at + 1].size <= chars_max do
      at = at + 1
      chars = chars + sizes[at].size
    end
    at = at + 1
    return first.id, sizes[at - 1].id
  end
end

return M
