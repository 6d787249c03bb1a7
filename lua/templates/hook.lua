--- Says to the model in which way to answer. lua/types/hooks.lua lists the
--- moments at which a hook may be called.

local WISH = "Answer in one sentence."

---@type tide.Hooks
local hooks = {}

function hooks.before_llm(turn)
  table.insert(turn.messages, 1, { role = "system", content = WISH })
end

---@type tide.Plugin
return { api = 1, hooks = hooks }
