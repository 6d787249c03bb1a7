--- What a chat session is made of: the persona, the model's configuration and
--- the stored session, tied together here. Routes and turns come in this way;
--- what this file uses (the stored sessions and messages, the cache, models,
--- personas) never requires it, and tests/lua/structure_spec.lua checks that.
---
--- save_message, delete_session and get_available_personas only pass on what
--- they get. They are here so that routes and scripts of your own have one
--- module for sessions, whatever is stored where.

local cache = require "lib.cache"
local chat = require "chat.chat"
local errors = require "lib.errors"
local json = require "tide.json"
local messages = require "chat.messages"
local model_options = require "models.model_options"
local models = require "models.models"
local personas = require "chat.personas"
local time = require "tide.time"
local title_policy = require "policy.title"

local M = {}

---@class SessionRequest what a request says about its session
---@field session_id? string nil = a new one
---@field model_name string
---@field chosen_model_name? string the one that the client named, when a hook
--- has named another one: it stays the session's
---@field persona? string "" and nil = none named
---@field base_url? string for this request only
---@field options? ModelOptions of a new session, or (in a turn) of the turn

---@class OpenSession
---@field session SessionDraft as it is from now on; id nil = not stored yet
---@field persona Persona who speaks

--- A new session's name: unix time in nanoseconds, 19 digits until 2286.
---@return string
function M.new_session_id()
  return ("session_%019d"):format(time.unix_ns())
end

---@param name string|nil "" and nil = none named
---@return true|nil ok, tide.Error|nil err unknown_persona
local function check_persona(name)
  if not name or name == "" then
    return true
  end
  local content, unknown = personas.get_persona_content(name)
  return content and true, unknown
end

--- Checks a request before anything is waited for or stored.
---@param user_id integer
---@param request SessionRequest
---@return Model|nil model to ask
---@return tide.Error|nil err unknown_persona and those of models.resolve
function M.check(user_id, request)
  local named, unknown = check_persona(request.persona)
  if not named then
    return nil, unknown
  end
  return models.resolve(user_id, request.model_name, request.base_url)
end

--- The session from the cache, if its row has not changed since.
---@param user_id integer
---@param session_id string
---@return table|nil session row of chat_sessions
---@return tide.Error|nil err session_not_found
function M.get_session(user_id, session_id)
  local version, err = chat.get_version(user_id, session_id)
  if not version then
    return nil, err or errors.new("session_not_found")
  end
  return cache.get_cached_chat_session(user_id, session_id, version)
end

--- The session from the cache, or from the database and then cached. Without
--- Redis the row itself is read in the time that its version would take.
---@param user_id integer
---@param session_id string
---@return table|nil row of chat_sessions, tide.Error|nil err session_not_found
function M.find(user_id, session_id)
  local shared = cache.is_shared()
  if shared then
    local cached, failed = M.get_session(user_id, session_id)
    if cached or failed then
      return cached, failed
    end
  end
  local row, err = chat.get_chat_session(user_id, session_id)
  if row and shared then
    cache.cache_chat_session(row)
  end
  return row, err
end

--- The stored session with what the request changes in it, or a draft of a new
--- one, which is stored together with its first turn.
---@param user_id integer
---@param request SessionRequest checked
---@param language "zh"|"en" of a new session's title
---@return OpenSession|nil opened, tide.Error|nil err
function M.get_or_create_session(user_id, request, language)
  local row, err
  if request.session_id then
    row, err = M.find(user_id, request.session_id)
    if err and err.code ~= "session_not_found" then
      return nil, err
    end
  end
  local persona, unknown = personas.choose(request.persona, row and row.persona)
  if not persona then
    return nil, unknown
  end
  local session = row
    or {
      session_id = request.session_id or M.new_session_id(),
      title = title_policy.placeholder(request.model_name, language),
      message_count = 0,
    }
  session.model_name = request.chosen_model_name or request.model_name
  session.persona = persona.name
  session.persona_named = request.persona ~= nil and request.persona ~= ""
  return { session = session, persona = persona }
end

--- Stores a new session without a message.
---@param user_id integer
---@param request SessionRequest
---@param language "zh"|"en" of its title
---@return table|nil row of chat_sessions
---@return tide.Error|nil err invalid_field and those of M.check
function M.create_session(user_id, request, language)
  local model, refused = M.check(user_id, request)
  if not model then
    return nil, refused
  end
  local options, invalid
  if request.options then
    options, invalid = model_options.read(request.options, language)
    if not options then
      return nil, invalid
    end
  end
  local opened, err = M.get_or_create_session(user_id, request, language)
  if not opened then
    return nil, err
  end
  opened.session.options = options and json.encode(options)
  return chat.create_chat_session(user_id, opened.session)
end

--- Stores a message, and the reply to it that is about to run.
---@param user_id integer
---@param session SessionDraft as it is from this turn on
---@param turn TurnRows
---@return SavedTurn|nil saved
---@return tide.Error|nil err session_not_found, session_deleted
function M.save_message(user_id, session, turn)
  return chat.save_chat_message(user_id, session, turn)
end

--- Caches a session and its conversation as they are now, for the next turn.
--- Turns call it when a reply has ended. It is of use only with Redis: without
--- it the next turn reads the same from the database in less time.
---@param user_id integer
---@param session_id string
---@param limit integer rows of the conversation
function M.cache_session(user_id, session_id, limit)
  local row = chat.get_chat_session(user_id, session_id)
  if row then
    cache.cache_chat_session(row)
    messages.get_conversation(user_id, row, nil, limit)
  end
end

--- Changes a session by hand. A persona must be one of style.yaml, a model one
--- that the user can talk to; "" changes nothing.
---@param user_id integer
---@param session_id string
---@param changes {title?: string, persona?: string, model_name?: string,
--- options?: ModelOptions} options as a whole: {} = none
---@param language "zh"|"en"
---@return table|nil row of chat_sessions
---@return tide.Error|nil err session_not_found, unknown_persona, invalid_field,
--- those of models.resolve
function M.update_session(user_id, session_id, changes, language)
  local wanted = {}
  for _, name in ipairs({ "title", "persona", "model_name" }) do
    if changes[name] and changes[name] ~= "" then
      wanted[name] = changes[name]
    end
  end
  if changes.options then
    local options, invalid = model_options.read(changes.options, language)
    if not options then
      return nil, invalid
    end
    wanted.options = json.encode(options)
  end
  local named, unknown = check_persona(wanted.persona)
  if not named then
    return nil, unknown
  end
  if wanted.model_name then
    local model, refused = models.resolve(user_id, wanted.model_name)
    if not model then
      return nil, refused
    end
  end
  return chat.update_chat_session(user_id, session_id, wanted)
end

---@param user_id integer
---@param session_id string
---@return true|nil ok, tide.Error|nil err session_not_found
function M.delete_session(user_id, session_id)
  return chat.delete_chat_session(user_id, session_id)
end

---@return string[] names in the order of style.yaml
function M.get_available_personas()
  return personas.get_available_personas()
end

return M
