--- What answers show of sessions and messages. Key names are the wire
--- contract's.

local errors = require "lib.errors"
local json = require "tide.json"
local objects = require "web.objects"
local tool_calls = require "providers.tool_calls"

local M = {}

M.session_schema, M.session = objects.of_row({
  SessionID = { "string", "session_id" },
  UserID = { "integer", "user_id" },
  Title = { "string", "title" },
  ModelName = { "string", "model_name" },
  MessageCount = { "integer", "message_count" },
  CreatedAt = { "string", "created_at" },
  UpdatedAt = { "string", "updated_at" },
  Persona = { "string", "persona" },
})

M.usage_schema = objects.object({
  input_tokens = "integer",
  output_tokens = "integer",
  estimated = "boolean",
})

M.tool_calls_schema = objects.list({ type = "object" })

M.message_schema, M.message = objects.of_row({
  id = "integer",
  role = "string",
  content = "string",
  reasoning = "string",
  created_at = "string",
  status = "string",
  finish_reason = "string",
  error = { objects.object({ code = "string", text = "string" }), "error" },
  parent_id = {
    "integer",
    function(row)
      return row.parent_id or json.null
    end,
  },
  siblings = { objects.list({ type = "integer" }), "siblings" },
  file_ids = {
    objects.list({ type = "integer" }),
    function(row)
      return (json.decode(row.file_ids))
    end,
  },
  model_name = "string",
  usage = {
    M.usage_schema,
    function(row)
      return row.usage and (json.decode(row.usage)) or nil
    end,
  },
  tool_calls = {
    M.tool_calls_schema,
    function(row)
      return tool_calls.field(row.tool_calls)
    end,
  },
})

--- Puts into rows of replies that failed why, in their owner's language.
---@param rows table[] of chat_messages; changed
---@param language "zh"|"en"
function M.tell_errors(rows, language)
  for _, row in ipairs(rows) do
    local code = row.error_code
    row.error = code and { code = code, text = errors.text(code, language) }
  end
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
