--- Run it with TIDETALK_PLUGINS_BUDGET_TOKENS_PER_MONTH=100000.

local test = require "tide.test"

local function say(user)
  return test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "s", model_name = user.model, message = "Hi" },
  })
end

test.case("the limit of a minute says how long to wait", function()
  local user = test.user()
  for i = 1, 20 do
    test.upstream("Hello.")
    test.equal(say(user).status, 200, "message " .. i)
  end
  local refused = say(user)
  test.equal(refused.status, 429)
  test.equal(refused.json.code, "limit_reached")
  local seconds = tonumber(refused.headers["retry-after"])
  test.truthy(seconds and seconds <= 60, "Retry-After is within a minute")
end)

test.case("a month's tokens can be spent, until the next month", function()
  test.time("2026-03-31T23:00:00Z")
  local user = test.user()
  local usage = { input_tokens = 70000, output_tokens = 40000 }
  test.upstream({ "Hello.", usage = usage }, "And again.")
  test.equal(say(user).status, 200)
  test.eventually("the reply is in the audit", function()
    return say(user).json.code == "budget_spent"
  end)
  test.time("2026-04-01T00:10:00Z")
  test.upstream("A new month.")
  test.equal(say(user).status, 200)
end)
