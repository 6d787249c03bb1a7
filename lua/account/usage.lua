--- What a user's requests have cost in tokens. The core adds them up when a
--- reply ends (core/chat/usage_store.c); here they are read.

local row_parts = require "lib.row_parts"
local time = require "tide.time"

local M = {}

--- Days in the answer when the request names no first day.
local DAYS = 30

local SQL = [[
SELECT day, model_name, requests, input_tokens, output_tokens, estimated,
  charged_twice
FROM usage_days
WHERE user_id = ?1 AND day <= ?3
  AND day >= ?2
ORDER BY day, model_name LIMIT 10000]]

local DAY_US = 24 * 60 * 60 * 1000000

---@param day string YYYY-MM-DD
---@return integer|nil microseconds since 1970; nil when there is no such day
local function begin_of(day)
  return (time.parse(day .. "T00:00:00Z"))
end

--- The first of DAYS days.
---@param last string YYYY-MM-DD; in February it may be one too many
---@return string day
local function first_day(last)
  local us = begin_of(last) or begin_of(last:sub(1, 8) .. "28")
  local first = math.max(us - (DAYS - 1) * DAY_US, begin_of("0000-01-01"))
  return time.format(first):sub(1, 10)
end

--- Rows a day and model, oldest first.
---@param user_id integer
---@param from string|nil first day, YYYY-MM-DD (UTC)
---@param to string|nil last day; default today
---@param schema? Schema of a row, for rows that are only passed on
---@return table[]|tide.Raw|nil rows with a schema JSON, as of db.json
---@return tide.Error|nil err
function M.get_usage(user_id, from, to, schema)
  to = to or time.now():sub(1, 10)
  local values = { user_id, from or first_day(to), to }
  return row_parts.query(SQL, values, schema)
end

return M
