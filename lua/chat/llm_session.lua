--- One user in one chat session, for routes and scripts: it says which session
--- goes on and with which system prompt. chat/turns does the rest.

local attachments = require "files.attachments"
local chat = require "chat.chat"
local config = require "tide.config"
local context_policy = require "policy.context"
local context_spec = require "lib.context_spec"
local replies = require "chat.replies"
local store = require "chat.messages"
local turns = require "chat.turns"

local M = {}

---@class LlmSession
---@field user_id integer
---@field language "zh"|"en" of texts for people
---@field session_id? string
---@field system_prompt? string
---@field req? tide.Request that is answered; hooks see it
local LlmSession = {}
LlmSession.__index = LlmSession

---@param user_id integer
---@param language "zh"|"en"
---@param req? tide.Request
---@return LlmSession
function M.new(user_id, language, req)
  return setmetatable(
    { user_id = user_id, language = language, req = req },
    LlmSession
  )
end

--- Sets the session that goes on; an id that does not exist yet begins one.
---@param session_id string
function LlmSession:set_session_id(session_id)
  self.session_id = session_id
end

--- Sets the prompt that replaces the persona's, in messages sent from now on.
---@param prompt string|nil nil = the persona's again
function LlmSession:set_system_prompt(prompt)
  self.system_prompt = prompt
end

--- The conversation that the model would get, oldest first, with the texts of
--- attached files, and with images only by their names.
---@return {role: string, content: string}[]|nil messages
---@return tide.Error|nil err session_not_found
function LlmSession:get_messages()
  local session, unknown =
    chat.get_chat_session(self.user_id, self.session_id)
  if not session then
    return nil, unknown
  end
  local pairs_max = config.get("history.pairs")
  local history, err = store.get_conversation(
    self.user_id,
    session,
    nil,
    context_policy.rows_needed(pairs_max)
  )
  if not history then
    return nil, err
  end
  local ok, unread = attachments.fill(self.user_id, history, nil)
  if not ok then
    return nil, unread
  end
  local messages = context_policy.build(context_spec.of({
    system = "",
    history = history,
    message = "",
    pairs = pairs_max,
  }))
  if type(messages) == "userdata" then
    messages = messages:tables()
  end
  messages[#messages] = nil -- what the user has not asked yet
  return messages
end

--- Begins the turn of a message.
---@param session LlmSession
---@param request TurnRequest
---@return tide.Reply|nil reply, tide.Error|nil err those of turns.start
local function start(session, request)
  request.session_id = session.session_id
  request.req = session.req
  request.system_prompt = session.system_prompt
  return turns.start(session.user_id, request, session.language)
end

--- Sends a message and waits for the whole reply. A reply that was stopped is
--- no failure: it has its partial text.
---@param request TurnRequest
---@return tide.Result|nil result, tide.Error|nil err
function LlmSession:send_message(request)
  local reply, err = start(self, request)
  if not reply then
    return nil, err
  end
  return replies.whole(reply)
end

--- Calls a function with every chunk of a reply's text, as it comes.
---@param reply tide.Reply
---@param on_chunk fun(text: string)
local function read_chunks(reply, on_chunk)
  local text, position = reply:read(0)
  while text do
    on_chunk(text)
    text, position = reply:read(position)
  end
end

--- Begins the turn of a message whose reply is to be streamed: both are stored
--- when it returns. Whether the reply begins well, replies.begun tells.
---@param request TurnRequest
---@return tide.Reply|nil reply, tide.Error|nil err those of turns.start
function LlmSession:start_stream(request)
  request.stream = true
  return start(self, request)
end

--- Sends a message and returns the reply at its first byte, or after ten
--- seconds. With `on_chunk` it returns when the reply has ended, and the
--- function has got all of its text.
---@param request TurnRequest
---@param on_chunk? fun(text: string)
---@return tide.Reply|nil reply
---@return tide.Error|nil err also when it failed without a byte
function LlmSession:send_message_stream(request, on_chunk)
  local reply, err = self:start_stream(request)
  if not reply then
    return nil, err
  end
  local begun, failed = replies.begun(reply)
  if begun and on_chunk then
    read_chunks(reply, on_chunk)
  end
  return begun, failed
end

return M
