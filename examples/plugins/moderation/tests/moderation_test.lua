--- Run it with TIDETALK_PLUGINS_MODERATION_WORDS=moonshine.

local test = require "tide.test"

local function say(message)
  local user = test.user()
  return test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "s", model_name = user.model, message = message },
  })
end

test.case("a message with a word of the list is refused", function()
  local answer = say("Some Moonshine, please")
  test.equal(answer.status, 422)
  test.equal(answer.json.code, "message_refused")
  test.equal(#test.asked(), 0, "nothing was asked")
end)

test.case("addresses are masked, however the pieces are cut", function()
  test.upstream({ "Ask moon@s", "ea.example.", "org. Or @me, b@c", ".de" })
  test.equal(say("Whom?").json.response, "Ask [address]. Or @me, [address]")
end)
