--- What the caller's requests have cost in tokens.

local account_objects = require "account.objects"
local errors = require "lib.errors"
local objects = require "web.objects"
local texts = require "lib.texts"
local usage = require "account.usage"
local usage_policy = require "policy.usage"

---@param req tide.Request
local function list(req)
  for _, field in ipairs({ "from", "to" }) do
    local date = req.args[field]
    if date and not usage_policy.is_date(date) then
      local reason = texts.get(req.language, "must_be_date")
      return nil,
        errors.new("invalid_field", { field = field, reason = reason })
    end
  end
  local rows, err = usage.get_usage(
    req.user.id,
    req.args.from,
    req.args.to,
    account_objects.usage_day_schema
  )
  if not rows then
    return nil, err
  end
  return { json = { data = rows } }
end

---@param name string
---@return Schema
local function date(name)
  return { name = name, type = "string", empty_is_absent = true }
end

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/usage",
    auth = "user",
    summary = "Tokens by day (UTC) and model; the last 30 days by default",
    query = { fields = { date("from"), date("to") } },
    response = objects.object({
      data = objects.list(account_objects.usage_day_schema),
    }),
    handler = list,
  },
}
