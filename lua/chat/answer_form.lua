--- Answers that are data: what a model is told of the form, and how its text is
--- read. The form is a schema as requests have one; the model gets it as a JSON
--- schema, in words, so that every model understands it. Pure.

local errors = require "lib.errors"
local json = require "tide.json"
local schemas = require "tide.schema"
local texts = require "lib.texts"

local M = {}

local INSTRUCTION = "Answer with one JSON object and nothing else: no words "
  .. "around it, no code fence. It must fit this JSON schema:\n"

--- Bounds of a schema -> what they are called in a JSON schema, by type.
local BOUNDS = {
  string = { "minLength", "maxLength" },
  array = { "minItems", "maxItems" },
  integer = { "minimum", "maximum" },
  number = { "minimum", "maximum" },
}

local json_schema

---@param schema Schema
---@param into table changed
local function add_members(schema, into)
  local required = json.array({})
  local properties = {}
  for _, field in ipairs(schema.fields or {}) do
    properties[field.name] = json_schema(field)
    if field.required then
      required[#required + 1] = field.name
    end
  end
  into.properties = next(properties) and properties or json.raw("{}")
  into.required = required
end

--- The JSON schema of a schema.
---@param schema Schema
---@return table
function json_schema(schema)
  local kind = schema.type or "object"
  local result = { description = schema.doc, enum = schema.enum }
  if kind ~= "json" and kind ~= "parts" then
    result.type = kind
  end
  local bounds = BOUNDS[kind]
  if bounds then
    result[bounds[1]], result[bounds[2]] = schema.min, schema.max
  end
  if kind == "object" then
    add_members(schema, result)
  elseif kind == "array" then
    result.items = schema.items and json_schema(schema.items)
  end
  return next(result) and result or json.raw("{}")
end

--- Messages with the form behind the system prompt.
---@param messages tide.ChatMessage[]
---@param schema Schema an object's
---@return tide.ChatMessage[] messages others
function M.instruct(messages, schema)
  local told = INSTRUCTION .. json.encode(json_schema(schema))
  local all = table.move(messages, 1, #messages, 1, {})
  local first = all[1]
  if
    first
    and first.role == "system"
    and type(first.content) == "string"
  then
    all[1] = { role = "system", content = first.content .. "\n\n" .. told }
  else
    table.insert(all, 1, { role = "system", content = told })
  end
  return all
end

--- Models put fences around JSON, whatever they are told.
---@param text string
---@return string
local function without_fence(text)
  return text:match("^%s*```%w*%s*\n(.-)\n?%s*```%s*$") or text
end

--- What a model's text says.
---@param text string
---@param schema Schema an object's
---@return table|nil answer with the declared members only
---@return tide.Error|nil err answer_malformed
function M.read(text, schema)
  local answer, refusal = schemas.read(schema, without_fence(text))
  if answer then
    return answer
  end
  local reason = refusal.reason
    and texts.get("en", refusal.reason, refusal)
    or refusal.message
    or refusal.code
  local err = errors.new("answer_malformed")
  err.message = refusal.field and refusal.field .. " " .. reason or reason
  return nil, err
end

return M
