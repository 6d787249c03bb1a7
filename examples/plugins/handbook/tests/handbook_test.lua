--- A page of the handbook, and what the model gets of it.

local test = require "tide.test"

local function prompt(user, message)
  test.upstream("At high tide.")
  test.request({
    path = "/api/chat/message",
    user = user,
    json = { session_id = "s", model_name = user.model, message = message },
  })
  local asked = test.asked()
  return asked[#asked].messages[1].content
end

test.case("pages that fit the message are in the prompt", function()
  local written = test.request({
    method = "PUT",
    path = "/api/admin/handbook",
    user = test.user({ role = "admin" }),
    json = { title = "Harbour", text = "Our ferries leave at high tide." },
  })
  test.equal(written.status, 200)
  local user = test.user()
  test.contains(prompt(user, "When do FERRIES leave?"), "# Harbour")
  local other = prompt(user, "When do trains come?")
  test.equal(other:find("# Harbour", 1, true), nil)
end)
