--- The hook of sample.

local test = require "tide.test"

test.case("tells the model how to answer", function()
  test.hooks({ "sample" })
  test.upstream("Yes.")
  local user = test.user()
  local answer = test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "s", model_name = user.model, message = "Well?" },
  })
  test.equal(answer.json.response, "Yes.")
  local first = test.asked()[1].messages[1]
  test.equal(first, { role = "system", content = "Answer in one sentence." })
end)
