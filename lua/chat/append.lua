--- Messages that no model was asked about: a question and its reply as somebody
--- else has them, put into a session as if they had been said there.

local chat = require "chat.chat"
local errors = require "lib.errors"
local llm = require "tide.llm"
local session_manager = require "chat.session_manager"
local time = require "tide.time"
local turn_lease = require "chat.turn_lease"
local turn_place = require "chat.turn_place"

local M = {}

--- The reply as it ended: text, time, user; the id comes with the write.
local SQL_END = "UPDATE chat_messages SET content = ?, status = 'complete', "
  .. "finish_reason = 'stop', updated_at = ? WHERE user_id = ? AND id = ?"

---@class Appended
---@field user integer
---@field session string
---@field message string the user's
---@field reply string
---@field model? string whose reply it is; a new session needs one
---@field parent? integer the reply that the message follows; 0 = a new root;
--- nil = the newest message
---@field persona? string
---@field language? "zh"|"en" of a new session's title

--- The session, there or new.
---@async
---@param given Appended
---@return SessionDraft|nil session
---@return tide.Error|nil err missing_field: a new session without a model
local function open(given)
  local model_name = given.model
  if not model_name then
    local there, err = chat.get_chat_session(given.user, given.session)
    if not there then
      return nil,
        err.code == "session_not_found"
          and errors.new("missing_field", { field = "model" })
          or err
    end
    model_name = there.model_name
  end
  local opened, err = session_manager.get_or_create_session(given.user, {
    session_id = given.session,
    model_name = model_name,
    persona = given.persona,
  }, given.language or "en")
  return opened and opened.session, err
end

--- Stores both, at a time when no reply runs in the session.
---@async
---@param given Appended
---@return SavedTurn|nil saved
---@return tide.Error|nil err missing_field, message_not_found, not_a_reply,
--- unknown_persona, session_not_found (another user's), those of llm.enter
--- and turn_lease.wait
function M.append(given)
  for _, field in ipairs({ "message", "reply" }) do
    if given[field] == "" then
      return nil, errors.new("missing_field", { field = field })
    end
  end
  local user_id = given.user
  local place_in_queue <close>, not_admitted =
    llm.enter(user_id, given.session, "detach")
  if not place_in_queue then
    return nil, not_admitted
  end
  local free, elsewhere = turn_lease.wait(user_id, given.session)
  if not free then
    return nil, elsewhere
  end
  local session, unopened = open(given)
  if not session then
    return nil, unopened
  end
  local place, misplaced = turn_place.find(user_id, session, {
    message = given.message,
    parent_id = given.parent,
  }, 1)
  if not place then
    return nil, misplaced
  end
  local title = turn_place.title(session, place)
  session.renamed, session.title = title ~= session.title, title
  place.turn.stored_with = function(message_id)
    local values = { given.reply, time.now(), user_id, message_id }
    return { { SQL_END, values, expect = 1 } }
  end
  local lease = place_in_queue:lease()
  place.turn.lease = lease
    and { node = lease.node, generation = lease.generation }
  return session_manager.save_message(user_id, session, place.turn)
end

return M
