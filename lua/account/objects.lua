--- What answers show of accounts, personal API keys and usage.

local objects = require "web.objects"

local M = {}

M.user_schema, M.user = objects.of_row({
  id = "integer",
  username = "string",
  email = "string",
  created_at = "string",
})

--- An account as the operator sees it.
M.account_schema, M.account = objects.of_row({
  id = "integer",
  username = "string",
  email = "string",
  role = "string",
  disabled = "boolean",
  created_at = "string",
})

M.key_schema, M.key = objects.of_row({
  id = "integer",
  name = "string",
  prefix = "string",
  created_at = "string",
  last_used_at = { "string", keep_null = true },
})

--- The only answer with the key itself: the one to the request that makes it.
M.new_key_schema = objects.with(M.key_schema, { key = "string" })

M.usage_day_schema, M.usage_day = objects.of_row({
  date = { "string", "day" },
  model_name = "string",
  requests = "integer",
  input_tokens = "integer",
  output_tokens = "integer",
  estimated = "boolean",
  possibly_charged_twice = { "integer", "charged_twice" },
})

return M
