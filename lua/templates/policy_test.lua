--- The policy of sample.

local test = require "tide.test"

test.case("makes titles of the first words", function()
  test.hooks({})
  test.upstream("Twice.")
  local user = test.user()
  test.request({
    path = "/api/chat/message",
    user = user,
    json = {
      session_id = "s",
      model_name = user.model,
      message = "How often is the tide high?",
    },
  })
  local answer = test.request({ path = "/api/chat/sessions", user = user })
  test.contains(answer.body, '"How often is"')
end)
