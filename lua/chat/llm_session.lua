--- A user talking in one chat session: what routes and scripts hold in their
--- hand. Says where the talk goes on and who speaks; chat/turns does it.

local attachments = require "files.attachments"
local chat = require "chat.chat"
local config = require "tide.config"
local context_policy = require "policy.context"
local replies = require "chat.replies"
local store = require "chat.messages"
local turns = require "chat.turns"

local M = {}

---@class LlmSession
---@field user_id integer
---@field language "zh"|"en" of texts for people
---@field session_id? string
---@field system_prompt? string
local LlmSession = {}
LlmSession.__index = LlmSession

---@param user_id integer
---@param language "zh"|"en"
---@return LlmSession
function M.new(user_id, language)
  return setmetatable(
    { user_id = user_id, language = language },
    LlmSession
  )
end

--- Where the talk goes on; an id that is not there yet begins a session.
---@param session_id string
function LlmSession:set_session_id(session_id)
  self.session_id = session_id
end

--- Speaks instead of the persona's prompt, in messages sent from now on.
---@param prompt string|nil nil = the persona's again
function LlmSession:set_system_prompt(prompt)
  self.system_prompt = prompt
end

--- The conversation that the model would be shown, oldest first, with the
--- texts of attached files; images by their names only.
---@return {role: string, content: string}[]|nil messages
---@return tide.Error|nil err session_not_found
function LlmSession:get_messages()
  local session, unknown =
    chat.get_chat_session(self.user_id, self.session_id)
  if not session then
    return nil, unknown
  end
  local pairs_max = config.get("history.pairs")
  local rows, err = store.get_history(
    self.user_id,
    session,
    nil,
    context_policy.rows_needed(pairs_max)
  )
  if not rows then
    return nil, err
  end
  local ok, unread = attachments.fill(self.user_id, rows, nil)
  if not ok then
    return nil, unread
  end
  return context_policy.history(rows, pairs_max)
end

--- Begins the turn of a message.
---@param session LlmSession
---@param wish TurnWish
---@return tide.Reply|nil reply, tide.Error|nil err those of turns.start
local function start(session, wish)
  wish.session_id = session.session_id
  wish.system_prompt = session.system_prompt
  return turns.start(session.user_id, wish, session.language)
end

--- Sends a message and waits for the whole reply. A reply that was stopped is
--- no failure: it has its partial text.
---@param wish TurnWish
---@return tide.Result|nil result, tide.Error|nil err
function LlmSession:send_message(wish)
  local reply, err = start(self, wish)
  if not reply then
    return nil, err
  end
  return replies.whole(reply)
end

--- Hands every piece of a reply's text to a function, as it comes.
---@param reply tide.Reply
---@param on_chunk fun(text: string)
local function hand_on(reply, on_chunk)
  local text, position = reply:read(0)
  while text do
    on_chunk(text)
    text, position = reply:read(position)
  end
end

--- Sends a message and returns the reply as soon as it is worth reading: at
--- its first byte or after ten seconds. With `on_chunk` it returns when the
--- reply has ended, and the function has got all of its text.
---@param wish TurnWish
---@param on_chunk? fun(text: string)
---@return tide.Reply|nil reply
---@return tide.Error|nil err also when it failed without a byte
function LlmSession:send_message_stream(wish, on_chunk)
  wish.stream = true
  local reply, err = start(self, wish)
  if not reply then
    return nil, err
  end
  local begun, failed = replies.begun(reply)
  if begun and on_chunk then
    hand_on(reply, on_chunk)
  end
  return begun, failed
end

return M
