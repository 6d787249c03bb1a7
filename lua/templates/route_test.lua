--- POST /api/sample.

local test = require "tide.test"

---@async
---@param user tide.TestUser|nil
---@param body table
---@return tide.TestResponse
local function send(user, body)
  return test.request({
    path = "/api/sample",
    user = user,
    json = body,
  })
end

test.case("says the text back", function()
  local user = test.user()
  local answer = send(user, { text = "hello" })
  test.equal(answer.status, 200)
  test.equal(answer.json, { user = user.username, text = "hello" })
end)

test.case("wants a text", function()
  test.equal(send(test.user(), {}).json.code, "missing_field")
end)

test.case("is for users", function()
  test.equal(send(nil, { text = "hello" }).status, 401)
end)
