--- Another title for sessions: the first words of the first message. The files
--- of lua/policy/ say at their top what each of their functions gets and
--- returns.

local WORDS = 3

---@param message string
---@return string|nil title nil when the message has nothing to show
local function first_words(message)
  local words = {}
  for word in message:gmatch("%S+") do
    words[#words + 1] = word
    if #words == WORDS then
      break
    end
  end
  return #words > 0 and table.concat(words, " ") or nil
end

---@type tide.Plugin
return {
  api = 1,
  policies = { title = { from_message = first_words } },
}
