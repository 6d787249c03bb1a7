--- Small declarative schemas: what a request may carry, checked before its
--- handler runs, and what an answer looks like, for the docs. The rules are
--- those of docs/api.md: unknown fields are ignored, a required string that is
--- empty counts as missing, a wrong JSON type is an error. JSON null counts as
--- absent. A check returns a new table with the declared fields only.

local errors = require "lib.errors"
local json = require "tide.json"
local text = require "tide.text"
local texts = require "lib.texts"

local M = {}

---@class Schema
---@field type "string"|"integer"|"boolean"|"array"|"object"|"parts"|"json"
--- parts is a message's content in OpenAI's form: a text, or a list of objects.
--- json stays as it came, a tide.Raw; it is for fields of a body
---@field name? string the field's name, inside `fields`
---@field aliases? string[] other names under which clients send it
---@field required? boolean
---@field min? integer characters, items, or the number itself
---@field max? integer likewise
---@field pattern? string Lua pattern that a string must match
---@field enum? string[] the allowed strings
---@field empty_is_absent? boolean "" in an optional string means not given
---@field keep_null? boolean null stays null, instead of being left out; in rows
--- of the database NULL does
---@field column? string in rows of the database, see db.json
---@field make? fun(value: any): any likewise
---@field default? any for an absent optional field
---@field clamp? boolean integers: what lies outside of min..max is moved to
--- the bound, what is no number becomes the default
---@field items? Schema of an array
---@field fields? Schema[] of an object
---@field open? boolean of an object: what is not declared is kept, decoded
---@field whole? string of a body: the name under which all of it is kept as it
--- came, a tide.Raw
---@field once? boolean of a body: a declared field that is given twice is an
--- error. For bodies that are passed on: who gets them might read the other one
---@field doc? string for the docs

--- The largest integer that JSON clients hold exactly.
local MAX_INTEGER = 1 << 53

---@class SchemaCheck what a check needs on its way down
---@field language "zh"|"en"
---@field from_text boolean values are query or path texts

---@param check SchemaCheck
---@param path string the field's name
---@param reason string key of lib/texts
---@param args? table
---@return nil, tide.Error
local function invalid(check, path, reason, args)
  return nil, errors.new("invalid_field", {
    field = path,
    reason = texts.get(check.language, reason, args),
  })
end

local checkers = {}

---@param schema Schema
---@param value any
---@param path string
---@param check SchemaCheck
---@return any|nil value, tide.Error|nil err
local function check_value(schema, value, path, check)
  return checkers[schema.type](schema, value, path, check)
end

function checkers.string(schema, value, path, check)
  if type(value) ~= "string" then
    return invalid(check, path, "must_be_string")
  end
  -- JSON bodies are valid UTF-8 already, decoded addresses may be anything.
  if check.from_text and not text.valid(value) then
    return invalid(check, path, "not_utf8")
  end
  if schema.min or schema.max then
    local count = text.count(value)
    if schema.min and count < schema.min then
      return invalid(check, path, "too_short", { limit = schema.min })
    elseif schema.max and count > schema.max then
      return invalid(check, path, "too_long", { limit = schema.max })
    end
  end
  if schema.pattern and not value:find(schema.pattern) then
    return invalid(check, path, "bad_form")
  end
  if schema.enum then
    for _, choice in ipairs(schema.enum) do
      if value == choice then
        return value
      end
    end
    local choices = table.concat(schema.enum, ", ")
    return invalid(check, path, "not_one_of", { choices = choices })
  end
  return value
end

--- The number in a text: decimal digits only, moved into what is exact.
---@param value string
---@return integer|nil
local function integer_of_text(value)
  if not value:find("^[+-]?%d+$") then
    return nil
  end
  local number = tonumber(value)
  number = math.max(-MAX_INTEGER, math.min(MAX_INTEGER, number))
  return math.tointeger(number)
end

function checkers.integer(schema, value, path, check)
  if check.from_text and type(value) == "string" then
    value = integer_of_text(value)
  end
  if math.type(value) ~= "integer" then
    if schema.clamp then
      return schema.default
    end
    return invalid(check, path, "must_be_integer")
  end
  if schema.min and value < schema.min then
    if schema.clamp then
      return schema.min
    end
    return invalid(check, path, "too_small", { limit = schema.min })
  elseif schema.max and value > schema.max then
    if schema.clamp then
      return schema.max
    end
    return invalid(check, path, "too_large", { limit = schema.max })
  end
  return value
end

function checkers.boolean(_, value, path, check)
  if type(value) ~= "boolean" then
    return invalid(check, path, "must_be_boolean")
  end
  return value
end

function checkers.array(schema, value, path, check)
  if type(value) ~= "table" or not json.is_array(value) then
    return invalid(check, path, "must_be_array")
  end
  if schema.min and #value < schema.min then
    return invalid(check, path, "too_few", { limit = schema.min })
  elseif schema.max and #value > schema.max then
    return invalid(check, path, "too_many", { limit = schema.max })
  end
  local result = json.array({})
  for i, item in ipairs(value) do
    local at = path .. "[" .. i .. "]"
    local checked, err = check_value(schema.items, item, at, check)
    if err then
      return nil, err
    end
    result[i] = checked
  end
  return result
end

function checkers.json(_, value)
  return value
end

function checkers.parts(_, value, path, check)
  if type(value) == "string" then
    return value
  elseif type(value) ~= "table" or not json.is_array(value) then
    return invalid(check, path, "must_be_string")
  end
  for i, part in ipairs(value) do
    if type(part) ~= "table" or json.is_array(part) then
      return invalid(check, path .. "[" .. i .. "]", "must_be_object")
    end
  end
  return value
end

--- A field's value under its name or the first alias that is there.
---@param field Schema
---@param object table
---@return any value nil when absent
local function field_value(field, object)
  local value = object[field.name]
  for _, alias in ipairs(field.aliases or {}) do
    if value ~= nil then
      break
    end
    value = object[alias]
  end
  if value == json.null then
    return nil
  end
  if value == "" and (field.required or field.empty_is_absent) then
    return nil
  end
  return value
end

function checkers.object(schema, value, path, check)
  if type(value) ~= "table" or json.is_array(value) then
    return invalid(check, path == "" and "body" or path, "must_be_object")
  end
  local result = {}
  if schema.open then
    for name, kept in pairs(value) do
      result[name] = kept
    end
  end
  for _, field in ipairs(schema.fields or {}) do
    local at = path == "" and field.name or path .. "." .. field.name
    local found = field_value(field, value)
    if found == nil then
      if field.required then
        return nil, errors.new("missing_field", { field = at })
      end
      local kept = field.keep_null and value[field.name] == json.null
      result[field.name] = kept and json.null or field.default
    else
      local checked, err = check_value(field, found, at, check)
      if err then
        return nil, err
      end
      result[field.name] = checked
    end
  end
  return result
end

--- The names under which an object's fields may come: what a body need be read
--- for.
---@type table<Schema, table<string, string>>
local names_of = setmetatable({}, { __mode = "k" })

---@param schema Schema an object's
---@return table<string, string>|nil names with their types; nil: all, the
--- object is open
function M.names(schema)
  if schema.open then
    return nil
  end
  local names = names_of[schema]
  if not names then
    names = {}
    for _, field in ipairs(schema.fields or {}) do
      names[field.name] = field.type
      for _, alias in ipairs(field.aliases or {}) do
        names[alias] = field.type
      end
    end
    names_of[schema] = names
  end
  return names
end

--- Reads a request's JSON body and checks it.
---@param schema Schema an object's; `type` may be left out
---@param req tide.Request
---@return table|nil checked
---@return tide.Error|nil err missing_field, invalid_field, invalid_json,
--- too_many_values
function M.read(schema, req)
  local check = { language = req.language, from_text = false }
  -- Nothing at all counts as {}. A body of another type has been refused
  -- before it was read (core/serve/dispatch.c).
  local body, err = req:read_json(M.names(schema), schema)
  if err then
    if err.code == "invalid_field" then
      return invalid(check, err.message, "given_twice")
    end
    return nil, err
  end
  local checked
  checked, err = checkers.object(schema, body, "", check)
  if checked and schema.whole then
    checked[schema.whole] = body[schema.whole]
  end
  return checked, err
end

--- Checks a decoded JSON body.
---@param schema Schema an object's; `type` may be left out
---@param value any
---@param language "zh"|"en" of the reasons
---@return table|nil checked, tide.Error|nil err missing_field, invalid_field
function M.check(schema, value, language)
  local check = { language = language, from_text = false }
  return checkers.object(schema, value, "", check)
end

--- Checks path parameters or query arguments, which come as texts.
---@param schema Schema an object's; `type` may be left out
---@param values table<string, string>
---@param language "zh"|"en"
---@return table|nil checked, tide.Error|nil err missing_field, invalid_field
function M.check_texts(schema, values, language)
  local check = { language = language, from_text = true }
  return checkers.object(schema, values, "", check)
end

return M
