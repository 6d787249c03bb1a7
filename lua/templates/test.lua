--- sample: what must be true of this server.
--- lua/types/test.lua lists what a test has at hand.

local test = require "tide.test"

test.case("a message is answered by the model", function()
  test.upstream("Hello")
  local user = test.user()
  local answer = test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "s", model_name = user.model, message = "Hi" },
  })
  test.equal(answer.status, 200)
  test.equal(answer.json.response, "Hello")
end)
