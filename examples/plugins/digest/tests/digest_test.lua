--- Run it with TIDETALK_PLUGINS_DIGEST_URL=https://report.example.com/tides.

local test = require "tide.test"

test.case("a night's count is kept and sent", function()
  test.http("https://report.example.com/tides", { status = 204 })
  local admin = test.user({ role = "admin" })
  test.tick("digest.count")
  local days = test.request({ path = "/api/admin/digest", user = admin })
  test.equal(#days.json.data, 1)
  test.equal(days.json.data[1].users, 1)
  local sent = test.eventually("it is sent", function()
    return test.http_asked()[1]
  end)
  test.equal(sent.json.day, days.json.data[1].day)
end)
