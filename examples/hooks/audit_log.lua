--- Writes to the log who changed what, and who asked which model. To use it,
--- copy it to lua/hooks/ and name it in lua/hooks.lua:
--- require "hooks.audit_log",

local log = require "tide.log"

return {
  on_response = function(req, route, response, err)
    if req.method ~= "GET" then
      log.info("audit", {
        request_id = req.id,
        user_id = req.user and req.user.id,
        ip = req.ip,
        what = req.method .. " " .. route.path,
        outcome = err and err.code or response.status or 200,
      })
    end
  end,
  after_llm = function(turn, result)
    log.info("audit", {
      user_id = turn.user_id,
      what = "reply of " .. turn.model_name,
      outcome = result.status,
      tokens = result.usage and result.usage.output_tokens,
    })
  end,
}
