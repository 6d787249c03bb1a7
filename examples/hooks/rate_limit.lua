--- Each user may send so many messages a minute, fewer to a dear model. To use
--- it, copy it to lua/hooks/ and name it in lua/hooks.lua:
--- require "hooks.rate_limit",

local PER_MINUTE = 20
local OF_MODEL = { ["gpt-4o"] = 5 }

return {
  quota = function(use)
    local most = OF_MODEL[use.model_name] or PER_MINUTE
    if use.requests_this_minute > most then
      return use.minute_ends_in
    end
  end,
}
