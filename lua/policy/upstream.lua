--- Which upstream to ask for a reply, in which order, how often, after which
--- waits.
--- Pure. The core walks the plan without Lua, and only as long as no byte of
--- the reply is there: it goes on when there was no connection, when the answer
--- was 429 or 5xx (or said the same inside an answer), when an upstream is
--- known to be down or has enough to do, and, only if the plan says so, when a
--- request was sent and got no answer, or one without any text.

local M = {}

--- What the core takes; more would keep a user waiting for nothing.
local STEPS_MAX = 32

---@class UpstreamPolicy from the settings
---@field balance "first"|"spread"
---@field retries integer further rounds over all candidates
---@field retry_wait integer ms before the first of them, then doubled
---@field retry_after_max integer ms that an upstream may ask for
---@field retry_after_send boolean may be charged twice

--- The order of the candidates: as they are (the oldest configuration first),
--- or beginning with any of them, so that each gets its share.
---@param count integer
---@param balance "first"|"spread"
---@param random number 0 <= random < 1
---@return integer[] numbers of candidates
function M.order(count, balance, random)
  local first = balance == "spread" and math.floor(random * count) or 0
  local order = {}
  for i = 1, count do
    order[i] = (first + i - 1) % count + 1
  end
  return order
end

--- The plan: all candidates at once after each other, then, after a wait, once
--- more. Waits differ a little, so that those who failed together do not come
--- back together.
---@param count integer candidates
---@param policy UpstreamPolicy
---@param random number 0 <= random < 1
---@return tide.RetryPlan
function M.plan(count, policy, random)
  local order = M.order(count, policy.balance, random)
  local steps = {}
  local wait = 0
  for round = 0, policy.retries do
    for i, candidate in ipairs(order) do
      if #steps < STEPS_MAX then
        steps[#steps + 1] =
          { candidate = candidate, wait = i == 1 and wait or 0 }
      end
    end
    wait = policy.retry_wait << round
    wait = math.floor(wait * (0.75 + random / 2))
  end
  return {
    steps = steps,
    retry_after_max = policy.retry_after_max,
    after_send = policy.retry_after_send,
    after_empty = true, -- an answer without text costs no output
  }
end

return M
