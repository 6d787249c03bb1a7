--- One turn of a conversation: a user's message and the reply to it. Here is
--- the order of things that the promises rest on: wait for the session's turn,
--- only then read the history, store both rows in one commit, only then ask
--- the model. From llm.start on the reply belongs to the core and goes on
--- without the request.

local cache = require "lib.cache"
local config = require "tide.config"
local context_policy = require "policy.context"
local disconnect_policy = require "policy.disconnect"
local errors = require "lib.errors"
local hooks = require "hooks"
local llm = require "tide.llm"
local models = require "models.models"
local quota = require "account.quota"
local registry = require "providers.registry"
local session_manager = require "chat.session_manager"
local sources = require "models.upstream_request"
local titles = require "chat.titles"
local turn_place = require "chat.turn_place"

local M = {}

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

---@class TurnAdmission what lets a turn begin
---@field model Model to ask
---@field file_ids integer[] of a new message
---@field takes_images boolean the model does
---@field disconnect "detach"|"cancel" what its end does to the reply
---@field turn tide.Turn the place in the session's queue

--- Everything that can be refused without looking at the session, and then the
--- session's turn, which may have to be waited for. The core leaves it by
--- itself when the task ends in any other way than through llm.start.
---@param user_id integer
---@param wish TurnWish
---@return TurnAdmission|nil admission
---@return tide.Error|nil err those of M.start
local function admit(user_id, wish)
  local file_ids, image = turn_place.check_content(user_id, wish)
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
  local turn, not_admitted = llm.enter(user_id, wish.session_id, disconnect)
  if not turn then
    return nil, not_admitted
  end
  return {
    model = model,
    file_ids = file_ids,
    takes_images = takes_images,
    disconnect = disconnect,
    turn = turn,
  }
end

---@class TurnScene what the model is shown, and who speaks
---@field session SessionDraft
---@field persona Persona
---@field place TurnPlace
---@field hook_turn tide.HookTurn what hooks see, and may change

--- Reads what the turn goes on from; hooks have their say.
---@param user_id integer
---@param wish TurnWish
---@param language "zh"|"en"
---@param admission TurnAdmission
---@return TurnScene|nil scene
---@return tide.Error|nil err those of M.start
local function set_scene(user_id, wish, language, admission)
  local opened, lost =
    session_manager.get_or_create_session(user_id, wish, language)
  if not opened then
    return nil, lost
  end
  local session, persona = opened.session, opened.persona
  local pairs_max = config.get("history.pairs")
  local limit = context_policy.rows_needed(pairs_max)
  local place, misplaced = turn_place.find(user_id, session, wish, limit)
  if not place then
    return nil, misplaced
  end
  local ok, unread = turn_place.attach(
    user_id,
    place,
    admission.file_ids,
    admission.takes_images
  )
  if not ok then
    return nil, unread
  end
  local hook_turn = {
    user_id = user_id,
    session_id = wish.session_id,
    model_name = admission.model.name,
    persona = persona.name,
    language = language,
    first = session.message_count == 0,
    message = place.message,
    messages = context_policy.build({
      system = wish.system_prompt or persona.content,
      rows = place.rows,
      message = place.message,
      files = place.files,
      pairs = pairs_max,
    }),
    title = turn_place.title(session, place),
  }
  if hooks.before_llm then
    local willing, refusal = hooks.before_llm(hook_turn)
    if not willing then
      return nil, refusal
    end
  end
  return {
    session = session,
    persona = persona,
    place = place,
    hook_turn = hook_turn,
  }
end

--- What llm.start needs but for the rows: all that a script may get wrong.
---@param user_id integer
---@param wish TurnWish
---@param admission TurnAdmission
---@param scene TurnScene
---@return tide.StartSpec
local function describe(user_id, wish, admission, scene)
  local model, hook_turn = admission.model, scene.hook_turn
  local spec = {
    turn = admission.turn,
    user_id = user_id,
    session_id = wish.session_id,
    disconnect = admission.disconnect,
  }
  models.fit_fallbacks(model, hook_turn.messages)
  sources.set(spec, model, {
    messages = hook_turn.messages,
    persona = scene.persona,
    language = hook_turn.language,
    tools = wish.tools,
    tool_choice = wish.tool_choice,
  })
  spec.on_delta = hooks.on_delta and hooks.on_delta(hook_turn)
  spec.on_finish = finisher({
    user_id = user_id,
    session_id = wish.session_id,
    title = hook_turn.title,
    message = scene.place.message,
    model = model,
  }, hook_turn)
  return spec
end

--- Begins a turn: both rows are committed and the reply runs.
---@param user_id integer
---@param wish TurnWish
---@param language "zh"|"en"
---@return tide.Reply|nil reply
---@return tide.Error|nil err missing_field, file_not_found, file_not_text,
--- images_not_supported, those of attachments.read, session_busy,
--- session_deleted, session_not_found, message_not_found, not_a_reply,
--- limit_reached, those of hooks and of session_manager.check
function M.start(user_id, wish, language)
  local admission, refused = admit(user_id, wish)
  if not admission then
    return nil, refused
  end
  local scene, unset = set_scene(user_id, wish, language, admission)
  if not scene then
    return nil, unset
  end
  local spec = describe(user_id, wish, admission, scene)
  local title = scene.hook_turn.title
  scene.session.renamed = title ~= scene.session.title
  scene.session.title = title
  local saved, unsaved =
    session_manager.save_message(user_id, scene.session, scene.place.turn)
  if not saved then
    return nil, unsaved
  end
  spec.session_row = saved.session_row
  spec.message_id = saved.message_id
  spec.user_message_id = saved.user_message_id
  return llm.start(spec)
end

return M
