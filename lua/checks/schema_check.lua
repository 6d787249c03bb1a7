--- Whether the schemas of routes are schemas at all. Checked when scripts are
--- loaded: a wrong one would otherwise be met by the first request to its
--- route.

local M = {}

local TYPES = {
  string = true,
  integer = true,
  number = true,
  boolean = true,
  array = true,
  object = true,
  map = true,
  one_of = true,
  parts = true,
  json = true,
}

local check_schema

--- A pattern is only known to be one when it is used.
---@param schema Schema
---@return string|nil wrong
local function check_string(schema)
  if schema.pattern then
    if type(schema.pattern) ~= "string" then
      return "pattern must be a string"
    end
    local fine, err = pcall(string.find, "", schema.pattern)
    if not fine then
      return "pattern: " .. tostring(err)
    end
  end
  if schema.enum and type(schema.enum) ~= "table" then
    return "enum must be a list"
  end
  return nil
end

---@param schema Schema
---@return string|nil wrong
local function check_fields(schema)
  for i, field in ipairs(schema.fields or {}) do
    if type(field) ~= "table" or type(field.name) ~= "string" then
      return ("field %d has no name"):format(i)
    end
    local wrong = check_schema(field)
    if wrong then
      return field.name .. ": " .. wrong
    end
  end
  return nil
end

---@param forms any
---@return string|nil wrong
local function check_forms(forms)
  if type(forms) ~= "table" or #forms == 0 then
    return "one_of must be a list of schemas"
  end
  for i, form in ipairs(forms) do
    local wrong = check_schema(form)
    if wrong then
      return ("one_of %d: %s"):format(i, wrong)
    end
  end
end

---@param schema any
---@return string|nil wrong
function check_schema(schema)
  if type(schema) ~= "table" then
    return ("a schema is a table, not a %s"):format(type(schema))
  end
  if not TYPES[schema.type] then
    return ("unknown type '%s'"):format(tostring(schema.type))
  end
  for _, bound in ipairs({ "min", "max" }) do
    if schema[bound] ~= nil and math.type(schema[bound]) ~= "integer" then
      return bound .. " must be an integer"
    end
  end
  if schema.column ~= nil and type(schema.column) ~= "string" then
    return "column must be a string"
  elseif schema.make ~= nil and type(schema.make) ~= "function" then
    return "make must be a function"
  elseif schema.check ~= nil and type(schema.check) ~= "function" then
    return "check must be a function"
  end
  if schema.type == "string" then
    return check_string(schema)
  elseif schema.type == "object" then
    return check_fields(schema)
  elseif schema.type == "array" or schema.type == "map" then
    local wrong = check_schema(schema.items)
    return wrong and "items: " .. wrong
  elseif schema.type == "one_of" then
    return check_forms(schema.one_of)
  end
  return nil
end

--- The parameters of a path that no field of `params` declares.
---@param route tide.Route
---@return string|nil wrong
local function check_path(route)
  local declared = {}
  for _, field in ipairs(route.params and route.params.fields or {}) do
    declared[field.name] = true
  end
  for name in route.path:gmatch("/[:*]([%w_]+)") do
    if not declared[name] then
      return (
        "params: '%s' of the path is not declared; params = { fields = "
        .. '{ { name = "%s", type = "string" } } }'
      ):format(name, name)
    end
  end
  return nil
end

---@param route tide.Route
---@return string|nil wrong
local function check_route(route)
  for _, part in ipairs({ "params", "query", "request", "form" }) do
    local schema = route[part]
    if schema ~= nil then
      local wrong = type(schema) == "table" and check_fields(schema)
        or type(schema) ~= "table" and "a schema is a table"
        or nil
      if wrong then
        return part .. ": " .. wrong
      end
    end
  end
  return check_path(route)
end

--- What is wrong with the schema of an answer: it is no schema, or it names a
--- member twice.
---@param schema any
---@return string|nil wrong
function M.of_answer(schema)
  if type(schema) ~= "table" then
    return ("a schema is a table, not a %s"):format(type(schema))
  end
  local wrong = schema.type and check_schema(schema) or check_fields(schema)
  local seen = {}
  for _, field in ipairs(not wrong and schema.fields or {}) do
    if seen[field.name] then
      return ("'%s' is there twice"):format(field.name)
    end
    seen[field.name] = true
  end
  return wrong or nil
end

--- What is wrong with the schemas of these routes.
---@param routes tide.Route[]
---@return {message: string, code: string, at: function}[]
function M.check(routes)
  local wrong = {}
  for _, route in ipairs(routes) do
    local text = check_route(route)
    if text then
      wrong[#wrong + 1] = {
        message = ("%s %s: %s"):format(route.method, route.path, text),
        code = "invalid_route",
        at = route.handler,
      }
    end
  end
  return wrong
end

return M
