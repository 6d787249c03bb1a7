--- What a user's requests have cost in tokens. The core adds them up when a
--- reply ends (core/chat/usage_store.c); here they are read.

local db = require "tide.db"
local json = require "tide.json"
local time = require "tide.time"

local M = {}

--- Days that are shown when no beginning is asked for.
local DAYS = 30

local SQL = [[
SELECT day, model_name, requests, input_tokens, output_tokens, estimated,
  charged_twice
FROM usage_days
WHERE user_id = ?1 AND day <= ?3
  AND day >= coalesce(?2, date(?3, ?4))
ORDER BY day, model_name LIMIT 10000]]

--- Rows a day and model, oldest first.
---@param user_id integer
---@param from string|nil first day, YYYY-MM-DD (UTC)
---@param to string|nil last day; default today
---@return table[]|nil rows, tide.Error|nil err
function M.get_usage(user_id, from, to)
  return db.query(SQL, {
    user_id,
    from or json.null,
    to or time.now():sub(1, 10),
    -(DAYS - 1) .. " days",
  })
end

return M
