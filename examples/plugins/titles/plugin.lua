--- A small model makes the title of a session, before a large one answers: the
--- first of these models that the user has, and that answers in time.

local chat = require "tide.chat"
local config = require "tide.config"
local log = require "tide.log"
local text = require "tide.text"

local ASK = "Give this conversation a title of at most six words, in the "
  .. "language of the message. Answer with the title only."

return {
  api = 1,
  settings = {
    models = { type = "list", default = { "small" }, help = "their names" },
  },
  hooks = {
    before_llm = function(turn)
      if not turn.first then
        return
      end
      local answer, err = chat.ask({
        user = turn.user_id,
        models = config.get("plugins.titles.models"),
        messages = {
          { role = "system", content = ASK },
          { role = "user", content = text.truncate(turn.message, 2000) },
        },
        max_tokens = 40,
        -- The reply waits for it: without a title in time the usual one stands.
        timeout = 3000,
      })
      if answer then
        turn.title = text.prefix(text.squeeze(answer), 60)
      else
        log.debug("no title", { why = err.code })
      end
    end,
  },
}
