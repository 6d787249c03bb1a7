--- What answers show of API configurations.

local api_secrets = require "models.api_secrets"
local json = require "tide.json"
local objects = require "web.objects"

local M = {}

--- Only these objects write times as YYYY-MM-DD HH:MM:SS.
---@param time string RFC 3339
---@return string
local function plain_time(time)
  return time:sub(1, 10) .. " " .. time:sub(12, 19)
end

M.deadlines_schema, M.deadlines = objects.of_row({
  connect = { "integer", "connect_ms" },
  first_byte = { "integer", "first_byte_ms" },
  between = { "integer", "between_ms" },
  total = { "integer", "total_ms" },
})

M.thinking_schema = objects.object({ effort = "string", budget = "integer" })

M.options_schema = objects.object({
  temperature = "json",
  max_tokens = "integer",
  thinking = M.thinking_schema,
  extra_body = { type = "object", open = true, fields = {} },
})

--- The key is masked. The whole mask is here: models/user_apis knows it when
--- it is sent back. Of headers the values are masked, further keys are only
--- counted.
local schema, of_row = objects.of_row({
  id = "integer",
  api_name = "string",
  model_name = "string",
  upstream_model = "string",
  base_url = "string",
  api_key = { "string", "api_key_mask" },
  provider = "string",
  deadlines = { M.deadlines_schema },
  options = { M.options_schema },
  created_at = { "string", make = plain_time },
  updated_at = { "string", make = plain_time },
})

M.api_schema = objects.with(schema, {
  key_count = "integer",
  headers = { type = "object", open = true, fields = {} },
  refused = objects.list({ type = "string" }),
})

---@param row table of user_apis
---@return table
function M.api(row)
  local api = of_row(row)
  api.key_count = api_secrets.count_keys(row)
  api.headers = api_secrets.masked_headers(row)
  api.refused = json.array({})
  for name in row.refused:gmatch("[^,]+") do
    api.refused[#api.refused + 1] = name
  end
  return api
end

return M
