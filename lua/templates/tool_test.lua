--- The tool sample, called by a scripted model.

local test = require "tide.test"

--- What the model is told when it has called the tool.
---@async
---@param arguments table
---@return string
local function result_of(arguments)
  test.upstream({
    tool_calls = {
      { name = "sample", arguments = arguments },
    },
  }, "Done.")
  local user = test.user()
  local answer = test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "s", model_name = user.model, message = "Count" },
  })
  test.equal(answer.json.response, "Done.")
  local messages = test.asked()[2].messages
  return messages[#messages].content
end

test.case("counts the characters of a text", function()
  test.equal(result_of({ text = "moon" }), '{"characters":4}')
end)

test.case("says what is wrong with its arguments", function()
  test.contains(result_of({ text = 5 }), "must be a text")
end)
