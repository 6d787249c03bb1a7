--- Talking to a model, as this server's scripts have it.

local test = require "tide.test"

---@async
---@param user tide.TestUser
---@param message string
---@param stream? boolean
---@return tide.TestResponse
local function say(user, message, stream)
  return test.request({
    path = "/api/chat/message" .. (stream and "/stream" or ""),
    user = user,
    json = { session_id = "s", model_name = user.model, message = message },
  })
end

test.case("a message is answered, the next one brings the history", function()
  test.hooks({})
  test.upstream("Hello", { "And ", "again" })
  local user = test.user()
  test.equal(say(user, "hi").json.response, "Hello")
  test.equal(say(user, "more").json.response, "And again")
  local messages = test.asked()[2].messages
  test.equal(messages[1].role, "system")
  test.equal({ messages[2], messages[3], messages[4] }, {
    { role = "user", content = "hi" },
    { role = "assistant", content = "Hello" },
    { role = "user", content = "more" },
  })
end)

test.case("a stream has the text and ends with the stored ids", function()
  test.hooks({})
  test.upstream({ "潮", "汐", reasoning = "hm" })
  local frames = say(test.user(), "hi", true).frames
  local text = ""
  for _, frame in ipairs(frames or {}) do
    text = text .. (frame.content or "")
  end
  test.equal(text, "潮汐")
  test.equal(frames[#frames].done, true)
  test.truthy(frames[#frames].message_id, "message_id")
end)

test.case("a model that refuses the key gives an error that says so", function()
  test.upstream({ status = 401 })
  local answer = say(test.user(), "hi")
  test.equal(answer.status, 502)
  test.equal(answer.json.code, "upstream_unauthorized")
end)

test.case("somebody else's session is not there", function()
  test.upstream("Hello")
  say(test.user(), "hi")
  local answer = test.request({
    path = "/api/chat/sessions/s/messages",
    user = test.user(),
  })
  test.equal(answer.status, 404)
end)
