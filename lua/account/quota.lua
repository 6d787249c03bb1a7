--- What a user has used lately, for those who decide by it: the hooks and
--- policy/quota.lua. Nothing is counted unless somebody limits something.
--- Minutes are counted in memory (a restart forgets them), or in the database
--- when several servers share it; days are read from the usage.

local config = require "tide.config"
local db = require "tide.db"
local errors = require "lib.errors"
local hooks = require "hooks"
local nodes = require "tide.nodes"
local quota_policy = require "policy.quota"
local shared = require "tide.shared"
local time = require "tide.time"

local M = {}

local MINUTE_MS, DAY_S = 60000, 86400

local SQL_COUNT = [[
INSERT INTO node_counts (user_id, name, requests, ends_at)
VALUES (?1, ?2, 1, tidetalk_now() + ?3)
ON CONFLICT (user_id, name) DO UPDATE SET
  requests = CASE WHEN node_counts.ends_at <= tidetalk_now() THEN 1
    ELSE node_counts.requests + 1 END,
  ends_at = CASE WHEN node_counts.ends_at <= tidetalk_now()
    THEN excluded.ends_at ELSE node_counts.ends_at END
WHERE node_counts.requests < ?4 OR node_counts.ends_at <= tidetalk_now()]]

local SQL_COUNTED = "SELECT requests, ends_at - tidetalk_now() AS left_us "
  .. "FROM node_counts WHERE user_id = ? AND name = ?"

--- The same count on all servers. Whether one more is within the limit is
--- known by the write, since the number may be another one when it is read.
---@param name string
---@param user_id integer
---@param span_ms integer
---@param limit integer 0 = none
---@return integer|nil requests, integer|tide.Error left_ms
local function count_everywhere(name, user_id, span_ms, limit)
  local most = limit > 0 and limit or math.maxinteger
  local done, err = db.write({
    { SQL_COUNT, { user_id, name, span_ms * 1000, most } },
  }, { user = user_id })
  local row
  if done then
    row, err = db.one(SQL_COUNTED, { user_id, name })
  end
  if not row then
    return nil, err or errors.new("user_not_found")
  end
  local within = done[1].changes == 1
  return within and math.min(row.requests, most) or most + 1,
    row.left_us // 1000
end

--- Counts this request in.
---@param name "minutes"|"bursts"
---@param user_id integer
---@param span_ms integer after its first request a count begins anew
---@param limit integer 0 = none
---@return integer|nil requests
---@return integer|tide.Error seconds until then
local function count(name, user_id, span_ms, limit)
  local requests, left
  if nodes.is_shared() then
    requests, left = count_everywhere(name, user_id, span_ms, limit)
  else
    local counts, key = shared.dict("quota." .. name), tostring(user_id)
    requests = counts:incr(key, 1, span_ms) or 1
    left = counts:ttl(key) or 0
  end
  if not requests then
    return nil, left
  end
  return requests, math.max(1, (left + 999) // 1000)
end

--- How long as many requests take as may come at once, when they come evenly.
---@param limits QuotaLimits
---@return integer ms
local function burst_ms(limits)
  local rate = math.max(1, limits.requests_per_minute)
  return math.max(1, math.min(limits.burst, rate) * MINUTE_MS // rate)
end

--- Up to 2^53. As fractions, because a sum of integers fails where it leaves
--- them.
---@param user_id integer
---@return integer|nil tokens, tide.Error|nil err
local function count_day(user_id)
  local row, err = db.one(
    "SELECT CAST(CASE WHEN tokens > 9007199254740992 THEN 9007199254740992 "
      .. "ELSE tokens END AS BIGINT) AS tokens FROM (SELECT "
      .. "coalesce(SUM(input_tokens * 1.0 + output_tokens), 0) AS tokens "
      .. "FROM usage_days WHERE user_id = ? AND day = ?) AS spent",
    { user_id, time.now():sub(1, 10) }
  )
  return row and row.tokens, err
end

--- Whether the user may ask once more; counts it as asked.
---@param user_id integer
---@param model_name string
---@return true|nil ok, tide.Error|nil err limit_reached, hook_failed
function M.check(user_id, model_name)
  local limits = {
    requests_per_minute = config.get("quota.requests_per_minute"),
    burst = config.get("quota.burst"),
    tokens_per_day = config.get("quota.tokens_per_day"),
  }
  local limited = limits.requests_per_minute > 0 or limits.tokens_per_day > 0
  if not limited and not hooks.quota then
    return true
  end
  local tokens, failed = count_day(user_id)
  if not tokens then
    return nil, failed
  end
  local requests, minute_ends_in =
    count("minutes", user_id, MINUTE_MS, limits.requests_per_minute)
  local at_once, burst_ends_in = 0, 0
  if limits.burst > 0 and limits.requests_per_minute > 0 then
    at_once, burst_ends_in =
      count("bursts", user_id, burst_ms(limits), limits.burst)
  end
  if not requests or not at_once then
    return nil, requests and burst_ends_in or minute_ends_in
  end
  local use = {
    user_id = user_id,
    model_name = model_name,
    requests_this_minute = requests,
    tokens_today = tokens,
    minute_ends_in = minute_ends_in,
    requests_at_once = at_once,
    burst_ends_in = burst_ends_in,
    day_ends_in = DAY_S - time.unix() % DAY_S,
  }
  local seconds, broken
  if hooks.quota then
    seconds, broken = hooks.quota(use)
    if broken then
      return nil, broken
    end
  end
  seconds = seconds or quota_policy.decide(use, limits)
  if not seconds then
    return true
  end
  local err = errors.new("limit_reached", { seconds = seconds })
  err.retry_after = seconds
  return nil, err
end

return M
