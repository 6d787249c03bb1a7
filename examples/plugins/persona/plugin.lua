--- The persona speaks differently by language, hour and user: briefly at night,
--- and in the words of the settings to users whose ids these name.

local config = require "tide.config"
local time = require "tide.time"

local AT_NIGHT = {
  en = "It is late at night. Answer quietly, and in few words.",
  zh = "夜深了。请轻声回答，话说得少一些。",
}

--- Whether it is night in the time zone of the settings.
---@return boolean
local function is_night()
  local offset = config.get("plugins.persona.utc_offset")
  local hour = (time.unix() // 3600 + offset) % 24
  local begins = config.get("plugins.persona.night_begins")
  local ends = config.get("plugins.persona.night_ends")
  if begins <= ends then
    return hour >= begins and hour < ends
  end
  return hour >= begins or hour < ends
end

---@param user_id integer
---@return boolean
local function is_expert(user_id)
  for _, id in ipairs(config.get("plugins.persona.experts")) do
    if id == tostring(user_id) then
      return true
    end
  end
  return false
end

return {
  api = 1,
  settings = {
    utc_offset = { type = "integer", default = 0, min = -12, max = 14 },
    night_begins = { type = "integer", default = 22, min = 0, max = 24 },
    night_ends = { type = "integer", default = 6, min = 0, max = 24 },
    experts = { type = "list", default = {}, help = "ids of users" },
    to_experts = { type = "string", default = "Explain no basics." },
  },
  hooks = {
    before_llm = function(turn)
      local prompt = turn.messages[1]
      if prompt.role ~= "system" then
        return
      end
      if is_night() then
        prompt.content = prompt.content .. "\n\n" .. AT_NIGHT[turn.language]
      end
      if is_expert(turn.user_id) then
        local more = config.get("plugins.persona.to_experts")
        prompt.content = prompt.content .. "\n\n" .. more
      end
    end,
  },
}
