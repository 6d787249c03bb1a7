--- Objects of answers: schemas for the docs, and presenters, which make an
--- object of a database row. What the objects of a feature are called and have
--- stands in its folder (chat/objects.lua, ...).

local json = require "tide.json"

local M = {}

--- The schema of an object.
---@param fields table<string, Schema|string> field -> schema or plain type
---@return Schema
function M.object(fields)
  local list = {}
  for name, schema in pairs(fields) do
    local field = { name = name }
    if type(schema) == "string" then
      field.type = schema
    else
      for key, value in pairs(schema) do
        field[key] = value
      end
    end
    list[#list + 1] = field
  end
  table.sort(list, function(a, b)
    return a.name < b.name
  end)
  return { type = "object", fields = list }
end

--- The schema of an object that has more fields than another one.
---@param schema Schema of the other object
---@param fields table<string, Schema|string>
---@return Schema
function M.with(schema, fields)
  local all = {}
  for _, field in ipairs(schema.fields) do
    all[field.name] = field
  end
  for name, field in pairs(fields) do
    all[name] = field
  end
  return M.object(all)
end

---@param schema Schema
---@return Schema
function M.list(schema)
  return { type = "array", items = schema }
end

--- Makes an object of each row; the result is a JSON list also when empty.
---@param rows table[]
---@param present fun(row: table): any
---@return table[]
function M.map(rows, present)
  local result = json.array({})
  for i, row in ipairs(rows) do
    result[i] = present(row)
  end
  return result
end

--- Empty tables with room for so many fields: a table that grows field by field
--- takes twice the time.
---@type {limit: integer, new: fun(): table}[]
local ROOMS = {
  {
    limit = 4,
    new = function()
      return { a = nil, b = nil, c = nil, d = nil }
    end,
  },
  {
    limit = 8,
    new = function()
      return {
        a = nil, b = nil, c = nil, d = nil, e = nil, f = nil, g = nil, h = nil,
      }
    end,
  },
  {
    limit = math.huge,
    new = function()
      return {
        a = nil, b = nil, c = nil, d = nil, e = nil, f = nil, g = nil, h = nil,
        i = nil, j = nil, k = nil, l = nil, m = nil, n = nil, o = nil, p = nil,
      }
    end,
  },
}

---@param count integer of fields
---@return fun(): table
local function room_for(count)
  for _, room in ipairs(ROOMS) do
    if count <= room.limit then
      return room.new
    end
  end
  error("unreachable")
end

--- A field of an object: its type or schema, and where its value is in a row:
--- a column, or a function of the row.
---@alias ObjectField {[1]: string|Schema, [2]: string|fun(row: table): any}

--- An object by its fields, each named once.
---@param fields table<string, string|ObjectField> field -> its type (the
--- column has the same name), or its type and column
---@return Schema schema
---@return fun(row: table): table present makes the object of a row
function M.of_row(fields)
  local types = {}
  local names, columns, makers = {}, {}, {}
  for name, field in pairs(fields) do
    local source = name
    types[name] = field
    if type(field) == "table" then
      types[name], source = field[1], field[2]
    end
    if type(source) == "function" then
      makers[name] = source
    else
      names[#names + 1], columns[#columns + 1] = name, source
    end
  end
  local schema = M.object(types)
  local new = room_for(#schema.fields)
  return schema, function(row)
    local object = new()
    for i = 1, #names do
      object[names[i]] = row[columns[i]]
    end
    for name, make in pairs(makers) do
      object[name] = make(row)
    end
    return object
  end
end

return M
