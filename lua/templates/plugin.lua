--- What this plugin is for. A place to begin: docs/plugins.md lists what else
--- one may have.

local config = require "tide.config"
local log = require "tide.log"

---@type tide.Plugin
return {
  api = 1,
  version = "1.0",
  settings = {
    greeting = {
      type = "string",
      default = "Hello",
      help = "what the route says",
    },
  },
  routes = {
    {
      method = "GET",
      path = "/api/sample",
      auth = "user",
      summary = "Greet the caller",
      handler = function(req)
        local key = "plugins.sample.greeting"
        local said = config.get(key)
        return { json = { text = said .. ", " .. req.user.username } }
      end,
    },
  },
  hooks = {
    after_llm = function(turn, result)
      log.info("a reply", {
        session = turn.session_id,
        status = result.status,
      })
    end,
  },
}
