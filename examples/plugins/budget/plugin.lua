--- A limit for each minute, a budget of tokens for each month, and an audit: a
--- row for each reply in a table of its own.

local config = require "tide.config"
local db = require "tide.db"
local log = require "tide.log"
local time = require "tide.time"

local SUM = "SELECT COUNT(*) AS replies, COALESCE(SUM(tokens), 0) AS tokens "
  .. "FROM budget_calls WHERE user_id = ? AND month = ?"
local INSERT = "INSERT INTO budget_calls "
  .. "(user_id, model_name, month, status, tokens) VALUES (?, ?, ?, ?, ?)"

local function this_month()
  return time.now():sub(1, 7)
end

return {
  api = 1,
  settings = {
    per_minute = { type = "integer", default = 20, min = 1 },
    tokens_per_month = { type = "integer", default = 1000000, min = 1 },
  },
  errors = {
    budget_spent = {
      status = 429,
      en = "The {tokens} tokens of this month are spent. Wait for the next.",
      zh = "本月的 {tokens} 个 token 已用完，请等到下个月。",
    },
  },
  hooks = {
    quota = function(use)
      if use.requests_this_minute > config.get("plugins.budget.per_minute") then
        return use.minute_ends_in
      end
    end,
    before_llm = function(turn)
      local spent, err = db.one(SUM, { turn.user_id, this_month() })
      local most = config.get("plugins.budget.tokens_per_month")
      if spent and spent.tokens >= most then
        err = { code = "budget_spent", args = { tokens = most } }
      end
      return nil, err
    end,
    after_llm = function(turn, result)
      local use = result.usage or {}
      local sum = (use.input_tokens or 0) + (use.output_tokens or 0)
      local id, model = turn.user_id, turn.model_name
      local values = { id, model, this_month(), result.status, sum }
      local _, err = db.write({ { INSERT, values } })
      if err then
        log.error("a reply is not in the audit", { code = err.code })
      end
    end,
  },
}
