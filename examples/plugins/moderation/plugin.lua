--- Refuses messages with words of a list, and masks mail addresses in replies
--- while they stream, also where an address comes in pieces.

local config = require "tide.config"

--- Longer ones are no addresses (RFC 5321).
local ADDRESS_MAX = 254
--- A run of letters that may be in an address.
local RUN = "[%w._%%+@-]+"

---@param text string
---@return string
local function masked(text)
  return (text:gsub("[%w._%%+-]+@[%w-]+%.[%w.-]*%w", "[address]"))
end

--- How many bytes at the text's end may be the beginning of an address.
---@param text string
---@return integer
local function unfinished(text)
  local run = text:match(RUN .. "$")
  return run and #run <= ADDRESS_MAX and #run or 0
end

local function check(turn)
  local message = turn.message:lower()
  for _, word in ipairs(config.get("plugins.moderation.words")) do
    if message:find(word, 1, true) then
      return nil, { code = "message_refused", args = { word = word } }
    end
  end
end

local function mask()
  local held = ""
  return function(piece, final)
    local text = held .. piece
    local keep = final and 0 or unfinished(text)
    held = text:sub(#text - keep + 1)
    return masked(text:sub(1, #text - keep))
  end
end

return {
  api = 1,
  settings = {
    words = { type = "list", default = {}, help = "refused, in lower case" },
  },
  errors = {
    message_refused = {
      status = 422,
      en = "Messages with the word \"{word}\" are not answered. Leave it out.",
      zh = "含有“{word}”的消息不予回答，请去掉它。",
    },
  },
  hooks = { -- required: what they could not look at is not passed on
    before_llm = { required = true, run = check },
    on_delta = { required = true, run = mask },
  },
}
