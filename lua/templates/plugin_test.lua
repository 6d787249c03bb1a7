--- What the plugin promises.

local test = require "tide.test"

local PATH = "/api/sample"

test.case("greets its caller", function()
  local user = test.user()
  local answer = test.request({ path = PATH, user = user })
  test.equal(answer.json, { text = "Hello, " .. user.username })
end)

test.case("is for users", function()
  test.equal(test.request({ path = PATH }).status, 401)
end)
