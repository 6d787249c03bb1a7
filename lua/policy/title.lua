--- A session's title. Pure: text in, text out. The title is ready before the
--- upstream is called, so it never slows the first token, and it is correct
--- when the body of the first turn ends.

local text = require "tide.text"

local M = {}

--- Characters of the user's message that a title keeps.
M.LENGTH = 20

local NEW = { en = "New chat", zh = "新对话" }

--- The title of a session that has no message yet.
---@param model_name string
---@param language "zh"|"en"
---@return string
function M.placeholder(model_name, language)
  return (NEW[language] or NEW.en) .. " · " .. model_name
end

--- The title made from the first user message.
---@param message string valid UTF-8
---@return string|nil title nil when the message has nothing to show
function M.from_message(message)
  -- A whole long message for 20 characters would be waste: white space beyond
  -- some hundred characters cannot matter.
  local line = text.squeeze(text.prefix(message, 20 * M.LENGTH))
  if line == "" then
    return nil
  end
  local title = text.prefix(line, M.LENGTH)
  if title == line then
    return title
  end
  return text.squeeze(title) .. "…"
end

--- The messages that ask a model for a title.
---@param message string the first user message
---@param reply string the first reply
---@return {role: string, content: string}[]
function M.question(message, reply)
  return {
    {
      role = "system",
      content = "Give the conversation a title of at most six words, in the "
        .. "language of the user's message. Answer with the title alone.",
    },
    { role = "user", content = text.prefix(message, 2000) },
    { role = "assistant", content = text.prefix(reply, 2000) },
    { role = "user", content = "Title?" },
  }
end

--- The title in a model's answer: its first line, without quotes.
---@param answer string
---@return string|nil title nil when there is none
function M.from_answer(answer)
  local line = text.squeeze(answer:match("[^\r\n]*%S[^\r\n]*") or "")
  for _, mark in ipairs({ '"', "'", "“", "”", "《", "》", "「", "」", "#", "*" }) do
    line = line:gsub("^" .. mark:gsub("%p", "%%%0"), "")
    line = line:gsub(mark:gsub("%p", "%%%0") .. "$", "")
  end
  return M.from_message(line)
end

return M
