--- A conversation with a model of the provider harbor.

local test = require "tide.test"

local STREAM = [[
event: part
data: {"parts":[{"kind":"thought","say":"hm"},{"kind":"word","say":"A"}]}

event: part
data: {"parts":[{"kind":"word","say":"hoy"}]}

event: bill
data: {"words":{"in":3,"out":2},"why":"done"}

event: over
data: {"at":"2026-01-01"}

]]

test.case("says what was said and reads what comes", function()
  test.http("https://harbor.example.com/talk", {
    headers = { ["Content-Type"] = "text/event-stream" },
    body = STREAM,
  })
  local user = test.user()
  local stored = test.request({
    path = "/api/user/apis",
    user = user,
    json = {
      api_name = "mine",
      api_key = "secret",
      provider = "harbor",
      model_name = "ship",
      base_url = "https://harbor.example.com",
    },
  })
  test.equal(stored.status, 200)
  local answer = test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "s", model_name = "ship", message = "Hi" },
  })
  test.equal(answer.json.response, "Ahoy")
  test.equal(answer.json.reasoning, "hm")
  local asked = test.http_asked()[1]
  test.equal(asked.headers["x-harbor-key"], "secret")
  test.equal(asked.json.said[#asked.json.said], { who = "user", what = "Hi" })
end)
