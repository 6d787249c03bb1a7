--- The JSON schema of a tool's arguments, as a server has it. An upstream that
--- gets a schema with a mistake refuses the whole request, so what is not well
--- formed stays out of it.

local json = require "tide.json"

local M = {}

local DEPTH_MAX = 12
local HEADERS_MAX = 16

local TYPES = {
  object = true, array = true, string = true, number = true, integer = true,
  boolean = true, null = true,
}

--- Members that hold one schema, a list of them, or a table of them by name.
local ONE = {
  items = true, additionalProperties = true, ["not"] = true,
  propertyNames = true, contains = true, ["if"] = true, ["then"] = true,
  ["else"] = true, additionalItems = true, unevaluatedProperties = true,
}
local LISTS = { anyOf = true, oneOf = true, allOf = true, prefixItems = true }
local BY_NAME = {
  properties = true, patternProperties = true, ["$defs"] = true,
  definitions = true, dependentSchemas = true,
}

---@param value any
---@return boolean
local function is_object(value)
  return type(value) == "table" and not json.is_array(value)
end

---@param value any
---@return boolean
local function is_texts(value)
  if type(value) ~= "table" or not json.is_array(value) then
    return false
  end
  for _, item in ipairs(value) do
    if type(item) ~= "string" then
      return false
    end
  end
  return true
end

---@param value any of the member `type`
---@return boolean
local function is_type(value)
  if type(value) == "string" then
    return TYPES[value] == true
  elseif not is_texts(value) or #value == 0 then
    return false
  end
  for _, name in ipairs(value) do
    if not TYPES[name] then
      return false
    end
  end
  return true
end

local MEMBERS = {
  type = is_type,
  required = is_texts,
  enum = function(value)
    return type(value) == "table" and json.is_array(value) and #value > 0
  end,
  description = function(value)
    return type(value) == "string"
  end,
  ["$ref"] = function(value)
    -- One that leads out of the document would have somebody fetch it.
    return type(value) == "string" and value:sub(1, 1) == "#"
  end,
}

local is_schema

---@param value any
---@param depth integer
---@return boolean
local function are_schemas(value, depth)
  if type(value) ~= "table" then
    return false
  end
  for _, member in pairs(value) do
    if not is_schema(member, depth) then
      return false
    end
  end
  return true
end

---@param schema any
---@param depth integer
---@return boolean
function is_schema(schema, depth)
  if type(schema) == "boolean" then
    return true
  elseif not is_object(schema) or depth > DEPTH_MAX then
    return false
  end
  for key, value in pairs(schema) do
    local fits = true
    if MEMBERS[key] then
      fits = MEMBERS[key](value)
    elseif ONE[key] then
      fits = is_schema(value, depth + 1)
    elseif LISTS[key] then
      fits = json.is_array(value) and #value > 0
        and are_schemas(value, depth + 1)
    elseif BY_NAME[key] then
      fits = is_object(value) and are_schemas(value, depth + 1)
    end
    if not fits then
      return false
    end
  end
  return true
end

--- Whether a schema can be given to a model: an object's, well formed.
---@param schema any
---@return boolean
function M.fits(schema)
  return is_object(schema) and schema.type == "object" and is_schema(schema, 1)
end

--- ---- x-mcp-header

local HEADER = "x-mcp-header"
local IN_HEADERS = { string = true, integer = true, boolean = true }

--- How often a schema has the member, wherever that is.
---@param value any
---@return integer
local function count(value)
  local found = 0
  if type(value) == "table" then
    for key, member in pairs(value) do
      local is_header = key == HEADER and type(member) ~= "table"
      found = found + (is_header and 1 or 0) + count(member)
    end
  end
  return found
end

---@class mcp.Mirrored
---@field path string[] where the argument is
---@field name string of the header

---@param schema table
---@param path string[]
---@param found mcp.Mirrored[] added to
---@return boolean
local function collect(schema, path, found)
  for name, property in pairs(schema.properties or {}) do
    if type(property) == "table" then
      local below = table.move(path, 1, #path, 1, {})
      below[#below + 1] = name
      local header = property[HEADER]
      if header ~= nil then
        local fits = type(header) == "string"
          and #header <= 64
          and header:find("^[%w!#$%%&'*+.^_`|~-]+$")
          and IN_HEADERS[property.type]
        if not fits then
          return false
        end
        found[#found + 1] = { path = below, name = "Mcp-Param-" .. header }
      end
      if not collect(property, below, found) then
        return false
      end
    end
  end
  return true
end

--- The arguments that a server wants in headers too.
---@param schema table that fits
---@return mcp.Mirrored[]|nil mirrored nil: what it wants is not allowed
function M.mirrored(schema)
  local found, names = json.array({}), {}
  if not collect(schema, {}, found) or #found > HEADERS_MAX then
    return nil
  end
  for _, mirrored in ipairs(found) do
    local name = mirrored.name:lower()
    if names[name] then
      return nil
    end
    names[name] = true
  end
  return count(schema) == #found and found or nil
end

return M
