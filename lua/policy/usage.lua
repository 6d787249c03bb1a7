--- Tokens: what a request asks for is estimated here, for upstreams that do
--- not tell; and which days of the usage are asked for. Pure.

local json = require "tide.json"
local openai = require "doors.openai"
local text = require "tide.text"

local M = {}

--- What a message costs beside its text, and a picture (or a sound) in it.
local MESSAGE_TOKENS, PART_TOKENS = 4, 800

--- What one request may cost; core/llm/delta.h has the same bound.
local TOKENS_MAX = 1000000000

--- A count that an upstream tells in its JSON.
---@param value any
---@return integer|nil count nil when nobody can believe it
function M.read_count(value)
  local count = math.type(value) and math.tointeger(value)
  return count and count >= 0 and count <= TOKENS_MAX and count or nil
end

--- Parts of a content that are no text.
---@param content any
---@return integer
local function other_parts(content)
  local count = 0
  for _, part in ipairs(type(content) == "table" and content or {}) do
    if type(part) ~= "table" or type(part.text) ~= "string" then
      count = count + 1
    end
  end
  return count
end

--- About how many tokens a question has.
---@param messages tide.ChatMessage[]
---@param tools? table[]
---@return integer
function M.estimate_input(messages, tools)
  local tokens = 0
  for _, message in ipairs(messages) do
    local content = message.content
    tokens = tokens
      + MESSAGE_TOKENS
      + text.tokens(openai.text_of(content))
      + PART_TOKENS * other_parts(content)
    if type(message.tool_calls) == "table" then
      tokens = tokens + text.tokens(json.encode(message.tool_calls))
    end
  end
  if type(tools) == "table" then
    tokens = tokens + text.tokens(json.encode(tools))
  end
  return tokens
end

--- The same of messages that stay in the core and are texts.
---@param messages tide.Messages
---@return integer tokens
function M.estimate_kept(messages)
  return messages:tokens() + MESSAGE_TOKENS * #messages
end

--- The same of messages that were counted as they came.
---@param tokens integer these as text.message_tokens returns them
---@param messages integer
---@param others integer
---@return integer
function M.estimate_counted(tokens, messages, others)
  return tokens + MESSAGE_TOKENS * messages + PART_TOKENS * others
end

---@param texts string[]
---@return integer tokens about
function M.estimate_texts(texts)
  local tokens = 0
  for _, one in ipairs(texts) do
    tokens = tokens + text.tokens(one)
  end
  return tokens
end

local DATE = "^(%d%d%d%d)%-(%d%d)%-(%d%d)$"
local DAYS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

--- Whether a text is a day as the usage has them, YYYY-MM-DD.
---@param date string
---@return boolean
function M.is_date(date)
  local _, month, day = date:match(DATE)
  month, day = tonumber(month), tonumber(day)
  return day ~= nil and DAYS[month] ~= nil and day >= 1 and day <= DAYS[month]
end

return M
