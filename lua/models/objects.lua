--- What answers show of API configurations.

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

--- The key is masked. The whole mask is here: models/user_apis knows it when
--- it is sent back.
M.api_schema, M.api = objects.of_row({
  id = "integer",
  api_name = "string",
  model_name = "string",
  base_url = "string",
  api_key = { "string", "api_key_mask" },
  provider = "string",
  deadlines = { M.deadlines_schema },
  created_at = { "string", make = plain_time },
  updated_at = { "string", make = plain_time },
})

return M
