--- Whether a user may ask a model once more. Pure: what was used and what is
--- allowed in, the time to wait out.

local M = {}

---@class QuotaUse
---@field user_id integer
---@field model_name string
---@field requests_this_minute integer with the one that asks
---@field tokens_today integer of ended replies, since midnight UTC
---@field minute_ends_in integer seconds
---@field requests_at_once integer of the time in which a burst comes anew
---@field burst_ends_in integer seconds
---@field day_ends_in integer seconds

---@class QuotaLimits 0 = no limit
---@field requests_per_minute integer
---@field burst integer of these, at once
---@field tokens_per_day integer

---@param use QuotaUse
---@param limits QuotaLimits
---@return integer|nil seconds to wait; nil = welcome
function M.decide(use, limits)
  local most = limits.tokens_per_day
  if most > 0 and use.tokens_today >= most then
    return use.day_ends_in
  end
  most = limits.requests_per_minute
  if most > 0 and use.requests_this_minute > most then
    return use.minute_ends_in
  end
  most = math.min(limits.burst, most)
  if most > 0 and use.requests_at_once > most then
    return use.burst_ends_in
  end
  return nil
end

return M
