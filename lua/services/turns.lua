--- One turn of a conversation: a user's message and the reply to it. Here is
--- the order of things that the promises rest on: wait for the session's turn,
--- only then read the history, store both rows in one commit, only then ask
--- the model. From llm.start on the reply belongs to the core and goes on
--- without the request.

local attachments = require "services.attachments"
local cache = require "services.cache"
local config = require "tide.config"
local context_policy = require "policy.context"
local disconnect_policy = require "policy.disconnect"
local errors = require "lib.errors"
local files = require "services.files"
local hooks = require "hooks"
local llm = require "tide.llm"
local message_store = require "services.messages"
local models = require "services.models"
local quota = require "services.quota"
local registry = require "providers.registry"
local session_manager = require "session_manager"
local sources = require "services.sources"
local title_policy = require "policy.title"
local titles = require "services.titles"

local M = {}

---@class TurnWish: SessionWish
---@field session_id string
---@field message? string
---@field file_ids? integer[]
---@field parent_id? integer the message continues from there; 0 = a new root
---@field regenerate? integer id of a reply that is to be made anew
---@field system_prompt? string instead of the persona's
---@field tools? table[] what the model may call, in OpenAI's form
---@field tool_choice? string
---@field stream? boolean the client asked for a stream

---@param user_id integer
---@param wish TurnWish
---@return integer[]|nil file_ids of a new message
---@return string|tide.Error|nil image name of one that is an image; or the
--- error: missing_field, file_not_found, file_not_text
local function check_content(user_id, wish)
  if wish.regenerate then
    return {}
  elseif wish.file_ids and #wish.file_ids > 0 then
    return files.check_attached(user_id, wish.session_id, wish.file_ids)
  elseif not wish.message or wish.message == "" then
    return nil, errors.new("missing_field", { field = "message" })
  end
  return {}
end

---@class TurnPlace where in the session's tree a turn stands
---@field rows table[] the path that leads to it, oldest first
---@field message string what the model is asked
---@field files? AttachedText[] and what comes with it
---@field asked? table row of the message, when it is stored already
---@field turn TurnRows what is stored

--- The session's title from this turn on: made by policy for the first one.
---@param session SessionDraft
---@param place TurnPlace
---@return string
local function title_of(session, place)
  local message = place.turn.message
  if session.message_count > 0 or not message then
    return session.title
  elseif message == "" and place.files then
    message = place.files[1].name
  end
  return title_policy.from_message(message) or session.title
end

--- A new reply to the message that an earlier one answers.
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
  local rows, err = message_store.get_history(
    user_id,
    session,
    reply.parent_id,
    limit + 1
  )
  if not rows then
    return nil, err
  end
  local asked = table.remove(rows)
  return {
    rows = rows,
    message = asked.content,
    asked = asked,
    turn = { reply_to = asked.id },
  }
end

--- Where the turn goes: after the newest message, after the one that the wish
--- names, or beside an earlier reply.
---@param user_id integer
---@param session SessionDraft
---@param wish TurnWish
---@param limit integer rows of history
---@return TurnPlace|nil place
---@return tide.Error|nil err message_not_found, not_a_reply
local function find_place(user_id, session, wish, limit)
  local named = wish.regenerate or wish.parent_id
  local rows = {}
  if not session.id then
    if named and named ~= 0 then
      return nil, errors.new("message_not_found")
    end
  elseif wish.regenerate then
    return place_again(user_id, session, wish.regenerate, limit)
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
    rows, err =
      message_store.get_history(user_id, session, named, limit)
    if not rows then
      return nil, err
    end
  end
  return {
    rows = rows,
    message = wish.message or "",
    turn = {
      message = wish.message or "",
      parent_id = rows[#rows] and rows[#rows].id,
    },
  }
end

--- Reads the files of a turn's message and of those before it.
---@param user_id integer
---@param place TurnPlace changed
---@param file_ids integer[] of a new message
---@param takes_images boolean the model does
---@return true|nil ok, tide.Error|nil err those of attachments.read
local function attach(user_id, place, file_ids, takes_images)
  local room = attachments.image_room()
  if #file_ids > 0 then
    local texts, err = attachments.read(user_id, file_ids, room)
    if not texts then
      return nil, err
    end
    place.files, place.turn.file_ids = texts, file_ids
  end
  local rows = table.move(place.rows, 1, #place.rows, 1, {})
  rows[#rows + 1] = place.asked
  local ok, err = attachments.fill(user_id, rows, takes_images and room or nil)
  if ok and place.asked then
    place.files = place.asked.files
  end
  return ok, err
end

--- What is done when the reply has ended, or nil when there is nothing.
---@param wish TitleWish
---@param hook_turn tide.HookTurn
---@return fun(result: tide.Result)|nil
local function finisher(wish, hook_turn)
  local asks = hook_turn.first and config.get("title.ask_model")
  local keeps = cache.is_shared()
  if not asks and not keeps and not hooks.after_llm then
    return nil
  end
  local limit = context_policy.rows_needed(config.get("history.pairs"))
  return function(result)
    if asks then
      titles.ask_for_title(wish, result)
    end
    if keeps then
      session_manager.keep_session(wish.user_id, wish.session_id, limit)
    end
    if hooks.after_llm then
      hooks.after_llm(hook_turn, result)
    end
  end
end

--- Begins a turn: both rows are committed and the reply runs.
---@param user_id integer
---@param wish TurnWish
---@param language "zh"|"en"
---@return tide.Reply|nil reply
---@return tide.Error|nil err missing_field, file_not_found, file_not_text,
--- those of attachments.read, session_busy,
--- session_deleted, session_not_found, limit_reached, those of
--- session_manager.check
function M.start(user_id, wish, language)
  local file_ids, image = check_content(user_id, wish)
  if not file_ids then
    return nil, image
  end
  local model, refused = session_manager.check(user_id, wish)
  if not model then
    return nil, refused
  end
  local takes_images = registry.takes_images(model.provider, model.name)
  if image and not takes_images then
    return nil, errors.new("images_not_supported", {
      model_name = model.name,
      name = image,
    })
  end
  local free, exceeded = quota.check(user_id, model.name)
  if not free then
    return nil, exceeded
  end
  local disconnect = disconnect_policy.choose({
    user_id = user_id,
    session_id = wish.session_id,
    model_name = wish.model_name,
    provider = model.provider.name,
    stream = wish.stream or false,
  })
  -- The core leaves the turn by itself when the task ends in any other way
  -- than through llm.start.
  local turn, not_admitted =
    llm.enter(user_id, wish.session_id, disconnect)
  if not turn then
    return nil, not_admitted
  end
  local opened, lost =
    session_manager.get_or_create_session(user_id, wish, language)
  if not opened then
    return nil, lost
  end
  local session, persona = opened.session, opened.persona
  local pairs_max = config.get("history.pairs")
  local place, misplaced = find_place(
    user_id,
    session,
    wish,
    context_policy.rows_needed(pairs_max)
  )
  if not place then
    return nil, misplaced
  end
  local ok, unread = attach(user_id, place, file_ids, takes_images)
  if not ok then
    return nil, unread
  end
  local messages = context_policy.build({
    system = wish.system_prompt or persona.content,
    rows = place.rows,
    message = place.message,
    files = place.files,
    pairs = pairs_max,
  })
  local hook_turn = {
    user_id = user_id,
    session_id = wish.session_id,
    model_name = model.name,
    persona = persona.name,
    language = language,
    first = session.message_count == 0,
    message = place.message,
    messages = messages,
    title = title_of(session, place),
  }
  -- All that a script may get wrong comes before the rows are stored.
  if hooks.before_llm then
    local willing, refusal = hooks.before_llm(hook_turn)
    if not willing then
      return nil, refusal
    end
  end
  local spec = {
    turn = turn,
    user_id = user_id,
    session_id = wish.session_id,
    disconnect = disconnect,
  }
  models.fit_fallbacks(model, hook_turn.messages)
  sources.set(spec, model, {
    messages = hook_turn.messages,
    persona = persona,
    language = language,
    tools = wish.tools,
    tool_choice = wish.tool_choice,
  })
  spec.on_delta = hooks.on_delta and hooks.on_delta(hook_turn)
  session.title = hook_turn.title
  local saved, unsaved =
    session_manager.save_message(user_id, session, place.turn)
  if not saved then
    return nil, unsaved
  end
  spec.session_row = saved.session_row
  spec.on_finish = finisher({
    user_id = user_id,
    session_id = wish.session_id,
    title = session.title,
    message = place.message,
    model = model,
  }, hook_turn)
  spec.message_id = saved.message_id
  spec.user_message_id = saved.user_message_id
  return llm.start(spec)
end

return M
