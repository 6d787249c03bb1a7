--- What a request may carry, checked before its handler runs.
--- types/schema.lua says what a schema may hold. The core reads and checks.
--- Here are the words for what does not fit.

local core = require "tide.schema"
local errors = require "lib.errors"
local json = require "tide.json"
local texts = require "lib.texts"

local M = {}

---@param refusal tide.SchemaRefusal
---@param language "zh"|"en"
---@return tide.Error
local function error_of(refusal, language)
  if refusal.code == "missing_field" then
    return errors.new("missing_field", { field = refusal.field })
  elseif refusal.code == "invalid_field" then
    return errors.new("invalid_field", {
      field = refusal.field,
      reason = refusal.reason
          and texts.get(language, refusal.reason, refusal)
        or refusal.message,
    })
  end
  return refusal
end

--- Reads a request's JSON body and checks it.
---@param schema Schema an object's; `type` may be left out
---@param req tide.Request
---@return table|nil checked
---@return tide.Error|nil err missing_field, invalid_field, invalid_json,
--- too_many_values
function M.read(schema, req)
  -- Nothing at all counts as {}. A body of another type has been refused
  -- before it was read (core/serve/dispatch.c).
  local checked, refusal = req:read_json(schema)
  return checked, refusal and error_of(refusal, req.language)
end

--- Reads the arguments of a request's query and checks them. A field that is a
--- list takes all values of its name, any other the last one.
---@param schema Schema an object's; `type` may be left out
---@param req tide.Request
---@return table|nil checked
---@return tide.Error|nil err missing_field, invalid_field
function M.read_query(schema, req)
  local checked, refusal = req:read_query(schema)
  return checked, refusal and error_of(refusal, req.language)
end

--- Reads the fields of a form, or of an upload, and checks them.
---@param schema Schema an object's; `type` may be left out
---@param req tide.Request
---@return table|nil checked
---@return tide.Error|nil err missing_field, invalid_field, too_many_values
function M.read_form(schema, req)
  local checked, refusal = req:read_form(schema)
  return checked, refusal and error_of(refusal, req.language)
end

--- Checks a decoded JSON body.
---@param schema Schema an object's; `type` may be left out
---@param value any
---@param language "zh"|"en" of the reasons
---@return table|nil checked, tide.Error|nil err missing_field, invalid_field
function M.check(schema, value, language)
  local checked, refusal = core.read(schema, json.encode(value))
  return checked, refusal and error_of(refusal, language)
end

--- Checks path parameters, which come as texts.
---@param schema Schema an object's; `type` may be left out
---@param values table<string, string>
---@param language "zh"|"en"
---@return table|nil checked, tide.Error|nil err missing_field, invalid_field
function M.check_texts(schema, values, language)
  local checked, refusal = core.check_texts(schema, values)
  return checked, refusal and error_of(refusal, language)
end

return M
