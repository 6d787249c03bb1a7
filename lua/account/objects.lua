--- What answers show of accounts, personal API keys and usage.

local json = require "tide.json"
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
  disabled = {
    "boolean",
    function(row)
      return row.disabled ~= 0
    end,
  },
  created_at = "string",
})

M.key_schema, M.key = objects.of_row({
  id = "integer",
  name = "string",
  prefix = "string",
  created_at = "string",
  last_used_at = {
    "string",
    function(row)
      return row.last_used_at or json.null
    end,
  },
})

--- The only answer with the key itself: the one to the request that makes it.
M.new_key_schema = objects.with(M.key_schema, { key = "string" })

M.usage_day_schema, M.usage_day = objects.of_row({
  date = { "string", "day" },
  model_name = "string",
  requests = "integer",
  input_tokens = "integer",
  output_tokens = "integer",
  estimated = {
    "boolean",
    function(row)
      return row.estimated > 0
    end,
  },
  possibly_charged_twice = { "integer", "charged_twice" },
})

return M
