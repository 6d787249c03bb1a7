--- The persona speaks differently at night. To use it, copy it to lua/hooks/
--- and name it in lua/hooks.lua: require "hooks.persona_by_hour",

local time = require "tide.time"

--- Hours of UTC.
local NIGHT_BEGINS, NIGHT_ENDS = 22, 6
local AT_NIGHT = "It is late at night. Answer quietly, and in few words."

local function is_night()
  local hour = tonumber(time.now():sub(12, 13))
  return hour >= NIGHT_BEGINS or hour < NIGHT_ENDS
end

return {
  before_llm = function(turn)
    local prompt = turn.messages[1]
    if is_night() and prompt.role == "system" then
      prompt.content = prompt.content .. "\n\n" .. AT_NIGHT
    end
  end,
}
