--- tide.usage: see types/usage.lua.

local account_objects = require "account.objects"
local arguments = require "lib.arguments"
local db = require "tide.db"
local errors = require "lib.errors"
local llm = require "tide.llm"
local objects = require "web.objects"
local quota = require "account.quota"
local usage = require "account.usage"
local usage_policy = require "policy.usage"

local M = {}

local check, check_one = arguments.check, arguments.check_one

local DAYS = { from = "string?", to = "string?" }

function M.days(user, span)
  check_one("usage.days", "user", user, "integer")
  check("usage.days", span or {}, DAYS)
  span = span or {}
  for _, name in ipairs({ "from", "to" }) do
    if span[name] and not usage_policy.is_date(span[name]) then
      return nil, errors.new("invalid_field", {
        field = name,
        reason = "must be a date such as 2026-01-31",
      })
    end
  end
  local rows, err = usage.get_usage(user, span.from, span.to)
  return rows and objects.map(rows, account_objects.usage_day), err
end

local ADDED = {
  user = "integer",
  model = "string",
  input_tokens = "integer",
  output_tokens = "integer?",
  estimated = "boolean?",
}

function M.add(entry)
  check("usage.add", entry, ADDED)
  local done, err = db.write({
    llm.usage_statement({
      user_id = entry.user,
      model_name = entry.model,
      input_tokens = entry.input_tokens,
      output_tokens = entry.output_tokens,
      estimated = entry.estimated,
    }),
  }, { user = entry.user })
  if done and done[1].changes == 0 then
    return nil, errors.new("user_not_found")
  end
  return done and true, err
end

function M.check(user, model)
  check_one("usage.check", "user", user, "integer")
  check_one("usage.check", "model", model, "string")
  return quota.check(user, model)
end

return M
