--- The provider sample, as a user's model.

local test = require "tide.test"

local STREAM = '{"say": "Hello, "}\n{"say": "moon"}\n{"over": true}\n'

test.case("sends what was said and reads what comes", function()
  test.http("https://models.example.com/talk", {
    headers = { ["Content-Type"] = "application/x-ndjson" },
    body = STREAM,
  })
  local user = test.user()
  local stored = test.request({
    path = "/api/user/apis",
    user = user,
    json = {
      api_name = "mine",
      api_key = "secret",
      provider = "sample",
      model_name = "big",
      base_url = "https://models.example.com",
    },
  })
  test.equal(stored.status, 200)
  local answer = test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "s", model_name = "big", message = "Hi" },
  })
  test.equal(answer.json.response, "Hello, moon")
  local asked = test.http_asked()[1]
  test.equal(asked.headers.authorization, "Bearer secret")
  test.equal(asked.json.model, "big")
  test.equal(asked.json.said[#asked.json.said], "Hi")
end)
