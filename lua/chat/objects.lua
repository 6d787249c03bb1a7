--- What answers show of sessions and messages. Key names are the wire
--- contract's.

local errors = require "lib.errors"
local model_objects = require "models.objects"
local objects = require "web.objects"
local tool_calls = require "providers.tool_calls"
local tool_steps = require "chat.tool_steps"

local M = {}

--- Left out of a session without options.
local OPTIONS_SCHEMA = objects.with(model_objects.options_schema, {
  deadlines = model_objects.deadlines_schema,
})

M.session_schema, M.session = objects.of_row({
  SessionID = { "string", "session_id" },
  UserID = { "integer", "user_id" },
  Title = { "string", "title" },
  ModelName = { "string", "model_name" },
  MessageCount = { "integer", "message_count" },
  CreatedAt = { "string", "created_at" },
  UpdatedAt = { "string", "updated_at" },
  Persona = { "string", "persona" },
  Options = { OPTIONS_SCHEMA, "options" },
})

M.usage_schema = objects.object({
  input_tokens = "integer",
  output_tokens = "integer",
  cached_tokens = "integer",
  reasoning_tokens = "integer",
  estimated = "boolean",
  images_left_out = "integer",
})

M.tool_calls_schema = objects.list({ type = "object" })

M.steps_schema = objects.list({ type = "object" })

local ERROR_SCHEMA = objects.object({ code = "string", text = "string" })

--- A message, with why its reply failed in the language of who reads it.
---@param language "zh"|"en"
---@return Schema schema
---@return fun(row: table): table present
local function message_in(language)
  return objects.of_row({
    id = "integer",
    role = "string",
    content = "string",
    reasoning = "string",
    created_at = "string",
    status = "string",
    finish_reason = "string",
    error = {
      ERROR_SCHEMA,
      "error_code",
      make = function(code)
        return { code = code, text = errors.text(code, language) }
      end,
    },
    parent_id = { "integer", keep_null = true },
    siblings = { objects.list({ type = "integer" }) },
    file_ids = { objects.list({ type = "integer" }) },
    model_name = "string",
    usage = { M.usage_schema },
    tool_calls = { M.tool_calls_schema, make = tool_calls.field },
    steps = { M.steps_schema, make = tool_steps.field },
  })
end

M.message_schema, M.message = message_in("en")

local CHINESE_MESSAGE_SCHEMA = message_in("zh")

---@param language "zh"|"en"
---@return Schema schema the same members in both
function M.message_schema_in(language)
  return language == "zh" and CHINESE_MESSAGE_SCHEMA or M.message_schema
end

--- A message that a search has found.
M.found_schema, M.found = objects.of_row({
  session_id = "string",
  message_id = "integer",
  role = "string",
  title = "string",
  snippet = "string",
  created_at = "string",
})

return M
