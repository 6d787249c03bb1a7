--- Objects of answers: schemas for the docs, and presenters, which make an
--- object of a database row. What the objects of a feature are called and have
--- stands in its folder (chat/objects.lua, ...).

local json = require "tide.json"

local M = {}

---@param schema Schema
---@return Schema copy of its first level
local function copy(schema)
  local result = {}
  for key, value in pairs(schema) do
    result[key] = value
  end
  return result
end

--- The schema of an object.
---@param fields table<string, Schema|string> field -> schema or plain type
---@return Schema
function M.object(fields)
  local list = {}
  for name, schema in pairs(fields) do
    local field = type(schema) == "string" and { type = schema } or copy(schema)
    field.name = name
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

--- A member that is made of a row: its type or schema, and where its value is.
--- The core knows the same rules (db.json): a row becomes JSON there without
--- becoming a table.
---@class ObjectField
---@field [1] string|Schema a boolean is a number that is not 0; a list, or an
--- object that objects.object has made, is JSON in a text; an object that
--- of_row has made is made of the same row
---@field [2]? string the column; default: the member's name
---@field keep_null? boolean NULL, or no such column, is null; else the member
--- is left out
---@field make? fun(value: any): any makes the value of the column's, unless
--- that is NULL or ""; pure; nil = NULL

--- The presenters of of_row's schemas.
---@type table<Schema, fun(row: table): table>
local presenters = setmetatable({}, { __mode = "k" })

---@param value any
---@return any
local function flag(value)
  if math.type(value) == "integer" then
    return value ~= 0
  end
  return value
end

---@param value any
---@return any
local function stored(value)
  if type(value) == "string" then
    return (json.decode(value))
  end
  return value
end

--- What makes a member's value of its column's.
---@param field Schema
---@return (fun(value: any): any)|nil reader nil: it is the same
local function reader_of(field)
  if field.make then
    return function(value)
      if value ~= "" then
        return field.make(value)
      end
    end
  elseif field.type == "boolean" then
    return flag
  elseif field.type == "array" or field.type == "object" then
    return stored
  end
  return nil
end

---@param name string
---@param field string|ObjectField
---@return Schema
local function member_schema(name, field)
  if type(field) == "string" then
    return { type = field }
  end
  local what = field[1]
  local schema = type(what) == "string" and { type = what } or copy(what)
  local column = field[2]
  if column ~= nil and type(column) ~= "string" then
    error(
      ("%s: its place in a row is a column's name, not a %s (see `make`)")
        :format(name, type(column)),
      0
    )
  end
  schema.column = column
  schema.keep_null = field.keep_null
  schema.make = field.make
  return schema
end

---@param fields Schema[]
---@param parts table<string, fun(row: table): table> members that are objects
--- of the same row
---@return fun(row: table): table
local function presenter_of(fields, parts)
  local new = room_for(#fields)
  local names, columns, others = {}, {}, {}
  for _, field in ipairs(fields) do
    local part = parts[field.name]
    local read = not part and reader_of(field)
    if part or read or field.keep_null then
      others[#others + 1] = {
        name = field.name,
        column = field.column or field.name,
        part = part,
        read = read,
        null = field.keep_null and json.null or nil,
      }
    else
      names[#names + 1] = field.name
      columns[#columns + 1] = field.column or field.name
    end
  end
  return function(row)
    local object = new()
    for i = 1, #names do
      object[names[i]] = row[columns[i]]
    end
    for _, other in ipairs(others) do
      local value = row[other.column]
      if other.part then
        value = other.part(row)
      elseif other.read and value ~= nil then
        value = other.read(value)
      end
      if value == nil then
        value = other.null
      end
      object[other.name] = value
    end
    return object
  end
end

--- An object by its members, each named once.
---@param fields table<string, string|ObjectField> member -> its type (the
--- column has the same name), or more about it
---@return Schema schema also for db.json
---@return fun(row: table): table present makes the object of a row
function M.of_row(fields)
  local types, parts = {}, {}
  for name, field in pairs(fields) do
    types[name] = member_schema(name, field)
    parts[name] = type(field) == "table" and presenters[field[1]] or nil
  end
  local schema = M.object(types)
  presenters[schema] = presenter_of(schema.fields, parts)
  return schema, presenters[schema]
end

return M
