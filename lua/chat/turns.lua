--- One turn of a conversation: a user's message and the reply to it. The order
--- matters: wait for the session's turn, only then read the history, store both
--- rows in one commit, only then ask the model. From llm.start on the reply
--- belongs to the core and goes on without the request.

local cache = require "lib.cache"
local config = require "tide.config"
local context_policy = require "policy.context"
local context_spec = require "lib.context_spec"
local disconnect_policy = require "policy.disconnect"
local errors = require "lib.errors"
local files = require "files.files"
local hooks = require "hooks"
local llm = require "tide.llm"
local model_options = require "models.model_options"
local models = require "models.models"
local quota = require "account.quota"
local message_store = require "chat.messages"
local resume = require "chat.resume"
local session_manager = require "chat.session_manager"
local titles = require "chat.titles"
local tool_history = require "chat.tool_history"
local tool_loop = require "chat.tool_loop"
local tool_steps = require "chat.tool_steps"
local turn_place = require "chat.turn_place"
local upstream_request = require "models.upstream_request"

local M = {}

--- Whether hooks are shown turns.
---@return boolean
local function are_shown()
  return (hooks.before_llm or hooks.on_delta or hooks.after_llm) ~= nil
end

--- What to do when the reply has ended; nil = nothing.
---@param request TitleRequest
---@param hook_turn tide.HookTurn
---@return fun(result: tide.Result)|nil
local function finisher(request, hook_turn)
  local asks = hook_turn.first and config.get("title.ask_model")
  local caches = cache.is_shared()
  if not asks and not caches and not hooks.after_llm then
    return nil
  end
  local limit = context_policy.rows_needed(config.get("history.pairs"))
  return function(result)
    if asks then
      titles.ask_for_title(request, result)
    end
    if caches then
      session_manager.cache_session(request.user_id, request.session_id, limit)
    end
    if hooks.after_llm then
      hooks.after_llm(hook_turn, result)
    end
  end
end

---@class TurnAdmission what lets a turn begin
---@field model Model to ask
---@field file_ids integer[] of a new message
---@field disconnect "detach"|"cancel" what the client's leaving does to the
--- reply
---@field turn tide.Turn the place in the session's queue

--- Checks everything that does not need the session, and then waits for the
--- session's turn. When the task ends without llm.start, the core gives the
--- turn back by itself.
---@param user_id integer
---@param request TurnRequest changed: its options are read
---@param language "zh"|"en"
---@return TurnAdmission|nil admission
---@return tide.Error|nil err those of M.start
local function admit(user_id, request, language)
  local file_ids, image = turn_place.check_content(user_id, request)
  if not file_ids then
    return nil, image
  end
  if request.options then
    local options, invalid = model_options.read(request.options, language)
    if not options then
      return nil, invalid
    end
    request.options = options
  end
  local model, refused = session_manager.check(user_id, request)
  if not model then
    return nil, refused
  end
  if image and not model.takes_images then
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
    session_id = request.session_id,
    model_name = request.model_name,
    provider = model.provider.name,
    stream = request.stream or false,
  })
  local turn, not_admitted = llm.enter(user_id, request.session_id, disconnect)
  if not turn then
    return nil, not_admitted
  end
  return {
    model = model,
    file_ids = file_ids,
    disconnect = disconnect,
    turn = turn,
  }
end

---@class TurnContext what the model gets, and who speaks
---@field session SessionDraft
---@field persona Persona
---@field place TurnPlace
---@field hook_turn tide.HookTurn what hooks see and may change
---@field messages tide.Messages|tide.ChatMessage[] what the model gets, unless
--- hooks have looked at it
---@field blocks? ReplyBlock[] of a reply that goes on
---@field decisions? table<string, boolean> likewise

--- A hook's turn has its messages as tables from when a hook asks for them:
--- what nobody looks at stays in the core.
---@param turn tide.HookTurn without messages; changed
---@param messages tide.Messages|tide.ChatMessage[]
---@return tide.HookTurn turn
local function show_messages(turn, messages)
  if type(messages) == "table" then
    turn.messages = messages
    return turn
  end
  return setmetatable(turn, {
    __index = function(_, key)
      if key ~= "messages" then
        return nil
      end
      local tables = messages:tables()
      turn.messages = tables
      return tables
    end,
  })
end

--- Reads the session and the messages that the turn continues, and calls the
--- hook before_llm.
---@param user_id integer
---@param request TurnRequest
---@param language "zh"|"en"
---@param admission TurnAdmission
---@return TurnContext|nil context
---@return tide.Error|nil err those of M.start
local function read_context(user_id, request, language, admission)
  local opened, lost =
    session_manager.get_or_create_session(user_id, request, language)
  if not opened then
    return nil, lost
  end
  local session, persona = opened.session, opened.persona
  local pairs_max = config.get("history.pairs")
  local limit = context_policy.rows_needed(pairs_max)
  local place, misplaced = turn_place.find(user_id, session, request, limit)
  if not place then
    return nil, misplaced
  end
  local ok, unread = turn_place.attach(
    user_id,
    place,
    admission.file_ids,
    admission.model.takes_images
  )
  if not ok then
    return nil, unread
  end
  local messages = context_policy.build(context_spec.of({
    system = request.system_prompt or persona.content,
    history = place.history,
    message = place.message,
    files = place.files,
    pairs = pairs_max,
  }))
  local hook_turn = {
    user_id = user_id,
    session_id = request.session_id,
    model_name = admission.model.name,
    persona = persona.name,
    language = language,
    first = session.message_count == 0,
    message = place.message,
    title = turn_place.title(session, place),
  }
  if are_shown() then
    show_messages(hook_turn, messages)
  end
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
    messages = rawget(hook_turn, "messages") or messages,
  }
end

--- What llm.start needs, except the rows. Everything in which a script may fail
--- is done here, before anything is stored.
---@param user_id integer
---@param request TurnRequest its options are read
---@param admission TurnAdmission
---@param context TurnContext
---@return tide.StartSpec
local function describe(user_id, request, admission, context)
  local model, hook_turn = admission.model, context.hook_turn
  local spec = {
    turn = admission.turn,
    user_id = user_id,
    session_id = request.session_id,
    disconnect = admission.disconnect,
    image_room = files.image_room(),
  }
  local source = {
    messages = context.messages,
    persona = context.persona,
    language = hook_turn.language,
    tools = request.tools,
    tool_choice = request.tool_choice,
    wanted = model_options.merge(
      model_options.stored(context.session.options),
      request.options
    ),
  }
  models.fit_fallbacks(model, source.messages)
  if tool_loop.is_needed() then
    source.messages, source.reasoning =
      tool_history.expand(user_id, context.session.id, source.messages)
    spec.counted_as = model.name
    spec.produce = tool_loop.producer({
      model = model,
      source = source,
      turn = hook_turn,
      blocks = context.blocks,
      decisions = context.decisions,
    })
  else
    upstream_request.fill(spec, model, source)
  end
  spec.on_delta = hooks.on_delta and hooks.on_delta(hook_turn)
  spec.on_finish = finisher({
    user_id = user_id,
    session_id = request.session_id,
    title = hook_turn.title,
    message = context.place.message,
    model = model,
  }, hook_turn)
  return spec
end

--- Begins a turn: both rows are committed and the reply runs.
---@param user_id integer
---@param request TurnRequest
---@param language "zh"|"en"
---@return tide.Reply|nil reply
---@return tide.Error|nil err missing_field, invalid_field, file_not_found,
--- file_not_text, images_not_supported, those of attachments.read,
--- session_busy, too_many_replies, session_deleted, session_not_found,
--- message_not_found, not_a_reply, limit_reached, those of hooks and of
--- session_manager.check
function M.start(user_id, request, language)
  local admission, refused = admit(user_id, request, language)
  if not admission then
    return nil, refused
  end
  local context, unset = read_context(user_id, request, language, admission)
  if not context then
    return nil, unset
  end
  local spec = describe(user_id, request, admission, context)
  local title = context.hook_turn.title
  context.session.renamed = title ~= context.session.title
  context.session.title = title
  context.place.turn.stored_with = request.stored_with
  local saved, unsaved =
    session_manager.save_message(user_id, context.session, context.place.turn)
  if not saved then
    return nil, unsaved
  end
  spec.session_row = saved.session_row
  spec.message_id = saved.message_id
  spec.user_message_id = saved.user_message_id
  local reply, not_started = llm.start(spec)
  if not are_shown() and type(context.messages) == "userdata" then
    context.messages:drop() -- a stream need not hold its history
  end
  return reply, not_started
end

---@class ReplyToContinue a row of chat_messages
---@field id integer
---@field status "waiting"|"interrupted"
---@field model_name string

--- Goes on with a reply that waits for its user, or that the server's end cut
--- off between two of its steps. It is the same message, and its positions go
--- on.
---@async
---@param user_id integer
---@param session_id string
---@param row table of resume.SQL_ROW
---@param decisions table<string, boolean> which calls are allowed, by id
---@param language "zh"|"en"
---@return tide.Reply|nil reply
---@return tide.Error|nil err those of M.start, nothing_to_continue: somebody
--- else was quicker
function M.continue(user_id, session_id, row, decisions, language)
  local request = {
    session_id = session_id,
    model_name = row.model_name,
    regenerate = row.id,
  }
  local admission, refused = admit(user_id, request)
  if not admission then
    return nil, refused
  end
  local context, unset = read_context(user_id, request, language, admission)
  if not context then
    return nil, unset
  end
  context.blocks, context.decisions = tool_steps.blocks(row), decisions
  local spec = describe(user_id, request, admission, context)
  local reopened, err = message_store.reopen(user_id, row)
  if not reopened then
    return nil, err
  end
  spec.session_row = context.session.id
  spec.message_id, spec.user_message_id = row.id, row.parent_id
  spec.continues = resume.stored(user_id, row)
  return llm.start(spec)
end

return M
