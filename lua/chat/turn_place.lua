--- Where a turn stands in its session's tree, and what the model gets there:
--- the path of earlier messages, the message itself, and their files.

local attachments = require "files.attachments"
local conversations = require "tide.messages"
local errors = require "lib.errors"
local files = require "files.files"
local message_store = require "chat.messages"
local title_policy = require "policy.title"

local M = {}

---@class TurnRequest: SessionRequest
---@field session_id string
---@field message? string
---@field file_ids? integer[]
---@field parent_id? integer the message continues from there; 0 = a new root
---@field regenerate? integer id of the reply that the new one stands beside
---@field system_prompt? string instead of the persona's
---@field tools? table[] what the model may call, in OpenAI's form
---@field tool_choice? string
---@field stream? boolean the client asked for a stream
---@field req? tide.Request that it came with, for hooks
---@field has_all_options? boolean the session's are among `options`
---@field stored_with? fun(message_id: any): table[] see TurnRows
---@field unstarted? integer set by turns.start when it fails after the turn is
--- stored: the id of the reply that does not run

--- Checks what a request brings, before anything is waited for.
---@param user_id integer
---@param request TurnRequest
---@return integer[]|nil file_ids of a new message
---@return string|tide.Error|nil image name of one that is an image; or the
--- error: missing_field, file_not_found, file_not_text
function M.check_content(user_id, request)
  if request.regenerate then
    return {}
  elseif request.file_ids and #request.file_ids > 0 then
    return files.check_attached(user_id, request.session_id, request.file_ids)
  elseif not request.message or request.message == "" then
    return nil, errors.new("missing_field", { field = "message" })
  end
  return {}
end

---@class TurnPlace where in the session's tree a turn stands
---@field history tide.Messages the path that leads to it, oldest first
---@field message string what the model is asked
---@field files? AttachedText[] what comes with it
---@field asked? integer number in the history of the message, when it is stored
--- already; until `attach`
---@field turn TurnRows what is stored

--- A new reply to the message that an earlier reply answers.
---@param user_id integer
---@param session SessionDraft that is stored
---@param reply_id integer
---@param limit integer rows of history
---@return TurnPlace|nil place, tide.Error|nil err message_not_found
local function place_again(user_id, session, reply_id, limit)
  local reply, unknown =
    message_store.get_message(user_id, session.id, reply_id)
  if not reply then
    return nil, unknown
  elseif reply.role ~= "assistant" or not reply.parent_id then
    return nil, errors.new("not_a_reply", { field = "regenerate" })
  end
  local history, err = message_store.get_conversation(
    user_id,
    session,
    reply.parent_id,
    limit + 1
  )
  if not history then
    return nil, err
  end
  local asked = #history
  return {
    history = history,
    message = history:content(asked),
    asked = asked,
    turn = { reply_to = history:id(asked) },
  }
end

--- Where the turn goes: after the newest message, after the one that the
--- request names, or beside an earlier reply.
---@param user_id integer
---@param session SessionDraft
---@param request TurnRequest
---@param limit integer rows of history
---@return TurnPlace|nil place
---@return tide.Error|nil err message_not_found, not_a_reply
function M.find(user_id, session, request, limit)
  local named = request.regenerate or request.parent_id
  local history
  if not session.id then
    if named and named ~= 0 then
      return nil, errors.new("message_not_found")
    end
  elseif request.regenerate then
    return place_again(user_id, session, request.regenerate, limit)
  elseif named ~= 0 then
    if named then
      local parent, unknown =
        message_store.get_message(user_id, session.id, named)
      if not parent then
        return nil, unknown
      elseif parent.role ~= "assistant" then
        return nil, errors.new("not_a_reply", { field = "parent_id" })
      end
    end
    local err
    history, err =
      message_store.get_conversation(user_id, session, named, limit)
    if not history then
      return nil, err
    end
  end
  history = history or conversations.new()
  local count = #history
  return {
    history = history,
    message = request.message or "",
    turn = {
      message = request.message or "",
      parent_id = count > 0 and history:id(count) or nil,
    },
  }
end

--- Reads the files of a turn's message and of those before it.
---@param user_id integer
---@param place TurnPlace changed
---@param file_ids integer[] of a new message
---@param takes_images boolean the model does
---@return true|nil ok, tide.Error|nil err those of attachments.read
function M.attach(user_id, place, file_ids, takes_images)
  local room = attachments.image_room()
  if #file_ids > 0 then
    local texts, err = attachments.read(user_id, file_ids, room)
    if not texts then
      return nil, err
    end
    place.files, place.turn.file_ids = texts, file_ids
  end
  local history = place.history
  local ok, err =
    attachments.fill(user_id, history, takes_images and room or nil)
  if ok and place.asked then
    place.files = history:files(place.asked)
    history:remove(place.asked)
    place.asked = nil
  end
  return ok, err
end

--- The session's title from this turn on: made by policy for the first one.
---@param session SessionDraft
---@param place TurnPlace
---@return string
function M.title(session, place)
  local message = place.turn.message
  if session.message_count > 0 or not message then
    return session.title
  elseif message == "" and place.files then
    message = place.files[1].name
  end
  return title_policy.from_message(message) or session.title
end

return M
