--- Run it with TIDETALK_PLUGINS_PERSONA_EXPERTS=1: the first user of a case is
--- an expert.

local test = require "tide.test"

--- The prompt that the model gets when this user writes at this time.
local function prompt(user, time, language)
  test.time(time)
  test.upstream("Hello.")
  local answer = test.request({
    path = "/api/chat/message",
    user = user,
    headers = { ["Accept-Language"] = language },
    json = {
      session_id = "tides-of-" .. user.id,
      model_name = user.model,
      message = "Why are there two tides a day?",
    },
  })
  test.equal(answer.status, 200)
  local asked = test.asked()
  return asked[#asked].messages[1].content
end

test.case("speaks quietly at night, in the user's language", function()
  local user = test.user()
  local by_day = prompt(user, "2026-03-01T12:00:00Z", "en")
  test.equal(by_day:find("late at night", 1, true), nil)
  test.contains(prompt(user, "2026-03-01T23:00:00Z", "en"), "late at night")
  test.contains(prompt(user, "2026-03-01T23:10:00Z", "zh"), "夜深了")
end)

test.case("explains no basics to experts, and to nobody else", function()
  local expert, other = test.user(), test.user()
  test.contains(prompt(expert, "2026-03-01T12:00:00Z", "en"), "no basics")
  local to_other = prompt(other, "2026-03-01T12:00:00Z", "en")
  test.equal(to_other:find("no basics", 1, true), nil)
end)
