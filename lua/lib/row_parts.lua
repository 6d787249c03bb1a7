--- Parts of long lists: a page of one whose number of rows is known, and pieces
--- that are small whatever is in the rows.

local db = require "tide.db"
local json = require "tide.json"

local M = {}

--- Reads a page. A database counts the rows that it skips, in the index alone
--- (SQLite: 35 ns a row), so a page in the second half is read from the list's
--- end. Positions that need no counting would have to be written in every turn,
--- which moves its session to the front.
---@async
---@param total integer rows of the list
---@param limit integer
---@param offset integer
---@param statements {[1]: string, [2]: string} a page from the list's start,
--- and one from its end; both give it in the list's order
---@param schema Schema|nil of a row, for a page that is only passed on
---@param ... any their values; "LIMIT ? OFFSET ?" comes after these
---@return table[]|tide.Raw|nil rows with a schema JSON, as of db.json
---@return tide.Error|nil err
function M.read(total, limit, offset, statements, schema, ...)
  limit = math.min(limit, total - offset)
  if limit <= 0 then
    return json.array({})
  end
  local values = { ... }
  values[#values + 1] = limit
  local behind = total - offset - limit
  local from_end = behind < offset
  values[#values + 1] = from_end and behind or offset
  return M.query(statements[from_end and 2 or 1], values, schema)
end

--- Reads rows, with a schema as JSON.
---@async
---@param sql string
---@param values any[]
---@param schema Schema|nil
---@return table[]|tide.Raw|nil rows, tide.Error|nil err
function M.query(sql, values, schema)
  if schema then
    return db.json(sql, values, schema)
  end
  return db.query(sql, values)
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

--- The items of a JSON list, for one that is written in pieces.
---@param rows tide.Raw
---@return string items
function M.items(rows)
  return tostring(rows):sub(2, -2)
end

return M
