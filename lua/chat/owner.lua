--- What routes about a session say of who answers them (web/relay): the node on
--- which the session's turn runs.

local resume = require "chat.resume"
local text = require "tide.text"

--- What is read of a body before it is known who answers.
local BODY = { fields = { { name = "session_id", type = "string" } } }

---@type tide.RouteOwner
return {
  session_id = function(req, route)
    local id = req.params.session_id or req.query.session_id
    if not id and route.request then
      local body = req:read_json(BODY)
      id = body and body.session_id
    end
    return id
  end,
  rest = function(session_id, last)
    return ("/api/chat/sessions/%s/stream?after=%s"):format(
      text.url_encode(session_id),
      last
    )
  end,
  go_on = function(req, _, session_id, last)
    return resume.go_on(req.user.id, session_id, last)
  end,
}
