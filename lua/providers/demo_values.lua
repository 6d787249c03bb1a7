--- A value that fits a JSON schema, always the same one: what the `demo` model
--- gives its calls as arguments, and answers when a form was asked for. Pure.
--- Reads what schemas of tools have in practice; a pattern is not obeyed.
--- Source: https://json-schema.org/understanding-json-schema/reference

local json = require "tide.json"

local M = {}

--- Levels of a schema that are followed; some contain themselves.
local DEPTH_MAX = 12
local LENGTH_MAX, ITEMS_MAX = 1000, 20

local FORMATS = {
  date = "2026-01-01",
  time = "12:00:00Z",
  ["date-time"] = "2026-01-01T12:00:00Z",
  duration = "PT1H",
  email = "demo@example.com",
  hostname = "example.com",
  ipv4 = "192.0.2.1",
  ipv6 = "2001:db8::1",
  uri = "https://example.com/",
  url = "https://example.com/",
  uuid = "00000000-0000-4000-8000-000000000000",
}

---@param value any
---@return boolean
local function present(value)
  return value ~= nil and value ~= json.null
end

--- The part of the schema that a reference names.
---@param root table
---@param reference string such as "#/$defs/City"
---@return any
local function referred(root, reference)
  local found = root
  for name in reference:gmatch("[^/#]+") do
    found = type(found) == "table" and found[name] or nil
  end
  return found
end

--- The first of several schemas that wants something other than null.
---@param schemas table[]
---@return table|nil
local function first_of(schemas)
  for _, schema in ipairs(type(schemas) == "table" and schemas or {}) do
    if type(schema) == "table" and schema.type ~= "null" then
      return schema
    end
  end
  return nil
end

---@param schema table
---@return string|nil
local function type_of(schema)
  local name = schema.type
  if type(name) == "table" then
    for _, one in ipairs(name) do
      if one ~= "null" then
        return one
      end
    end
    return "null"
  end
  return name
    or type(schema.properties) == "table" and "object"
    or type(schema.items) == "table" and "array"
    or nil
end

local make

local makers = {}

---@param name string|nil the property that it is for
function makers.string(schema, _, _, name)
  local text = FORMATS[schema.format] or name or "text"
  local least = math.min(tonumber(schema.minLength) or 0, LENGTH_MAX)
  if #text < least then
    text = text .. ("x"):rep(least - #text)
  end
  local most = tonumber(schema.maxLength)
  return most and #text > most and text:sub(1, math.max(most, 0)) or text
end

function makers.number(schema)
  local low = tonumber(schema.minimum) or tonumber(schema.exclusiveMinimum)
  local high = tonumber(schema.maximum) or tonumber(schema.exclusiveMaximum)
  if low and high then
    return (low + high) / 2
  end
  return low and low + 1 or high and high - 1 or 1
end

function makers.integer(schema)
  return math.floor(makers.number(schema))
end

function makers.boolean()
  return true
end

function makers.null()
  return json.null
end

function makers.array(schema, root, depth, name)
  local items = json.array({})
  local count = math.min(tonumber(schema.minItems) or 1, ITEMS_MAX)
  for i = 1, depth < DEPTH_MAX and count or 0 do
    items[i] = make(schema.items, root, depth + 1, name)
  end
  return items
end

function makers.object(schema, root, depth)
  local object, wanted = {}, {}
  local properties = schema.properties
  properties = type(properties) == "table" and properties or {}
  if type(schema.required) == "table" then
    wanted = schema.required
  else
    for name in pairs(properties) do
      wanted[#wanted + 1] = name
    end
  end
  for _, name in ipairs(depth < DEPTH_MAX and wanted or {}) do
    object[name] = make(properties[name], root, depth + 1, name)
  end
  return object
end

---@param schema any
---@param root table
---@param depth integer
---@param name string|nil
---@return any
function make(schema, root, depth, name)
  if type(schema) ~= "table" then
    return makers.string({}, root, depth, name)
  elseif present(schema.const) then
    return schema.const
  end
  for _, list in ipairs({ "enum", "examples" }) do
    local one = type(schema[list]) == "table" and schema[list][1]
    if present(one) and one ~= false then
      return one
    end
  end
  if present(schema.default) then
    return schema.default
  end
  local other = type(schema["$ref"]) == "string"
      and referred(root, schema["$ref"])
    or first_of(schema.anyOf)
    or first_of(schema.oneOf)
    or first_of(schema.allOf)
  if other and depth < DEPTH_MAX then
    return make(other, root, depth + 1, name)
  end
  local maker = makers[type_of(schema)] or makers.string
  return maker(schema, root, depth, name)
end

--- A value that fits.
---@param schema any as JSON has it
---@return any
function M.value(schema)
  return make(schema, type(schema) == "table" and schema or {}, 1)
end

--- An object that fits: `{}` when nothing is described.
---@param schema any as JSON has it
---@return table
function M.object(schema)
  local value = type(schema) == "table" and M.value(schema) or {}
  return type(value) == "table" and value or {}
end

return M
