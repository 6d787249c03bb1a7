--- Titles by the model "small" of a user who chats with "big".

local test = require "tide.test"

local function title_after(user, message)
  test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "tides", model_name = "big", message = message },
  })
  local sessions = test.request({ path = "/api/chat/sessions", user = user })
  return sessions.json.data[1].Title
end

test.case("the small model makes the title", function()
  local user = test.user({ models = { "big", "small" } })
  test.upstream(
    { model = "small", " Moon and\nsea " },
    { model = "big", "There are two because …" }
  )
  test.equal(title_after(user, "Why are there two tides?"), "Moon and sea")
  test.equal(test.asked()[1].max_tokens, 40)
end)

test.case("without an answer the usual title stands", function()
  local user = test.user({ models = { "big", "small" } })
  test.upstream({ model = "small", status = 500 }, { model = "big", "Two." })
  test.equal(title_after(user, "Why two tides?"), "Why two tides?")
end)
