--- Words that replies must not contain are masked while they stream, also where
--- a word comes in two pieces. To use it, copy it to lua/hooks/ and name it in
--- lua/hooks.lua: require "hooks.word_filter",

local WORDS = { "moonshine", "妖怪" }
local MASK = "***"

---@param text string
---@return string
local function masked(text)
  for _, word in ipairs(WORDS) do
    text = text:gsub(word:gsub("%p", "%%%0"), MASK)
  end
  return text
end

--- How many bytes at the text's end may be the beginning of a word.
---@param text string
---@return integer
local function unfinished(text)
  local most = 0
  for _, word in ipairs(WORDS) do
    for length = math.min(#word - 1, #text), most + 1, -1 do
      if text:sub(-length) == word:sub(1, length) then
        most = length
        break
      end
    end
  end
  return most
end

return {
  on_delta = {
    required = true, -- if it fails the reply ends, instead of going on unmasked
    run = function()
      local held = ""
      return function(piece, final)
        local text = masked(held .. piece)
        local keep = final and 0 or unfinished(text)
        held = text:sub(#text - keep + 1)
        return text:sub(1, #text - keep)
      end
    end,
  },
}
