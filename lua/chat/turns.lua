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
local turn_hooks = require "chat.turn_hooks"
local turn_lease = require "chat.turn_lease"
local turn_place = require "chat.turn_place"
local upstream_request = require "models.upstream_request"

local M = {}

--- What to do when the reply has ended; nil = nothing.
---@param request TitleRequest
---@param first boolean it is the session's first turn
---@param turn tide.Turn|nil as hooks see it
---@return fun(result: tide.Result)|nil
local function finisher(request, first, turn)
  local asks = first and request.model and config.get("title.ask_model")
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
      hooks.after_llm(turn, result)
    end
  end
end

---@class TurnAdmission what lets a turn begin
---@field model? Model to ask; nil = the answer is there already
---@field shown? ShownTurn nil = nobody looks
---@field answer? tide.Answer of the hook before_turn
---@field file_ids integer[] of a new message
---@field disconnect "detach"|"cancel" what the client's leaving does to the
--- reply
---@field turn tide.QueuePlace the place in the session's queue
---@field blocks? ReplyBlock[] of a reply that goes on
---@field decisions? table<string, boolean> likewise

--- The model that a request names, if it may be asked this.
---@param user_id integer
---@param request TurnRequest
---@param image string|nil name of a file of it that is an image
---@return Model|nil model
---@return tide.Error|nil err those of M.start
local function find_model(user_id, request, image)
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
  return model
end

--- Checks everything that does not need the session, and then waits for the
--- session's turn. When the task ends without llm.start, the core gives the
--- turn back by itself.
---@param user_id integer
---@param request TurnRequest changed: its options are read, and hooks change it
---@param language "zh"|"en"
---@param continues? boolean
---@return TurnAdmission|nil admission
---@return tide.Error|nil err those of M.start
local function admit(user_id, request, language, continues)
  local shown, answer, model
  if turn_hooks.is_needed() then
    shown, answer = turn_hooks.begin(user_id, request, language, continues)
    if not shown then
      return nil, answer
    end
  end
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
  if not answer then
    local refused
    model, refused = find_model(user_id, request, image)
    if not model then
      return nil, refused
    end
  end
  local disconnect = disconnect_policy.choose({
    user_id = user_id,
    session_id = request.session_id,
    model_name = request.model_name,
    provider = model and model.provider.name or "",
    stream = request.stream or false,
  })
  local turn, not_admitted = llm.enter(user_id, request.session_id, disconnect)
  if not turn then
    return nil, not_admitted
  end
  return {
    model = model,
    shown = shown,
    answer = answer,
    file_ids = file_ids,
    disconnect = disconnect,
    turn = turn,
  }
end

---@class TurnContext what the model gets, and who speaks
---@field session SessionDraft
---@field persona Persona
---@field place TurnPlace
---@field title string the session's from this turn on
---@field first boolean it is the session's first turn
---@field messages tide.Messages|tide.ChatMessage[] what the model gets
---@field answer? tide.Answer of a hook, instead of the model's
---@field blocks? ReplyBlock[] of a reply that goes on
---@field decisions? table<string, boolean> likewise

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
  local model = admission.model
  local ok, unread = turn_place.attach(
    user_id,
    place,
    admission.file_ids,
    model ~= nil and model.takes_images
  )
  if not ok then
    return nil, unread
  end
  local context = {
    session = session,
    persona = persona,
    place = place,
    title = turn_place.title(session, place),
    first = session.message_count == 0,
    answer = admission.answer,
    file_ids = admission.file_ids,
    messages = model and context_policy.build(context_spec.of({
      system = request.system_prompt or persona.content,
      history = place.history,
      message = place.message,
      files = place.files,
      pairs = pairs_max,
    })),
  }
  if admission.shown then
    local answer, refusal =
      turn_hooks.before_llm(admission.shown, request, context)
    if refusal then
      return nil, refusal
    end
    context.answer = context.answer or answer
  end
  return context
end

--- An answer of a hook as the source of a reply, or of what is left of one.
---@param spec tide.StartSpec changed
---@param answer tide.Answer
---@param continues boolean
local function play(spec, answer, continues)
  local reason = answer.finish_reason or "stop"
  if not continues then
    spec.play = {
      text = answer.answer,
      reasoning = answer.reasoning,
      finish_reason = reason,
    }
    return
  end
  spec.produce = function(out)
    if answer.reasoning then
      out:text(answer.reasoning, "reasoning")
    end
    out:text(answer.answer)
    out:finish({ finish_reason = reason })
  end
end

--- How the model is asked.
---@param spec tide.StartSpec changed
---@param request TurnRequest its options are read
---@param admission TurnAdmission
---@param context TurnContext
---@param language "zh"|"en"
local function ask(spec, request, admission, context, language)
  local model = admission.model
  local wanted = request.options
  if not request.has_all_options then
    local stored = model_options.stored(context.session.options)
    wanted = model_options.merge(stored, wanted)
  end
  local source = {
    messages = context.messages,
    persona = context.persona,
    language = language,
    tools = request.tools,
    tool_choice = request.tool_choice,
    wanted = wanted,
  }
  models.fit_fallbacks(model, source.messages)
  -- What goes on has steps that the model must know, tools or not.
  if not context.blocks and not tool_loop.is_needed() then
    upstream_request.fill(spec, model, source)
    return
  end
  source.messages, source.reasoning =
    tool_history.expand(spec.user_id, context.session.id, source.messages)
  spec.counted_as = model.name
  spec.produce = tool_loop.producer({
    model = model,
    source = source,
    turn = admission.shown and admission.shown.turn,
    blocks = context.blocks,
    decisions = context.decisions,
  })
end

--- What llm.start needs, except the rows. Everything in which a script may fail
--- is done here, before anything is stored.
---@param user_id integer
---@param request TurnRequest its options are read
---@param admission TurnAdmission
---@param context TurnContext
---@param language "zh"|"en"
---@return tide.StartSpec|nil spec, tide.Error|nil err hook_failed
local function describe(user_id, request, admission, context, language)
  local spec = {
    turn = admission.turn,
    user_id = user_id,
    session_id = request.session_id,
    disconnect = admission.disconnect,
    image_room = files.image_room(),
  }
  if context.answer then
    play(spec, context.answer, context.blocks ~= nil)
  else
    ask(spec, request, admission, context, language)
  end
  local turn = admission.shown and admission.shown.turn
  if hooks.on_delta then
    local filter, failed = hooks.on_delta(turn)
    if failed then
      return nil, failed
    end
    spec.on_delta = filter
  end
  spec.on_finish = finisher({
    user_id = user_id,
    session_id = request.session_id,
    title = context.title,
    message = context.place.message,
    model = not context.answer and admission.model or nil,
  }, context.first, turn)
  return spec
end

--- Whether a turn that another node is quicker with is passed on to it, instead
--- of waiting here.
---@param request TurnRequest
---@return boolean
local function is_routed(request)
  return request.req ~= nil and request.req.routed or false
end

--- What a turn is once no other node has the session.
---@async
---@param user_id integer
---@param request TurnRequest
---@param language "zh"|"en"
---@param admission TurnAdmission
---@return tide.StartSpec|nil spec
---@return TurnContext|tide.Error context or the error, those of M.start
local function prepare(user_id, request, language, admission)
  local free, elsewhere =
    turn_lease.admit(user_id, request.session_id, is_routed(request))
  if not free then
    return nil, elsewhere
  end
  local context, unset = read_context(user_id, request, language, admission)
  if not context then
    return nil, unset
  end
  context.blocks, context.decisions = admission.blocks, admission.decisions
  local spec, failed =
    describe(user_id, request, admission, context, language)
  if not spec then
    return nil, failed
  end
  return spec, context
end

--- How often a turn is prepared again because another node was quicker.
local TRIES = 5

--- Stores the rows of a turn.
---@async
---@param user_id integer
---@param request TurnRequest
---@param admission TurnAdmission
---@param context TurnContext
---@return SavedTurn|nil saved, tide.Error|nil err those of save_message
local function save(user_id, request, admission, context)
  local session, rows = context.session, context.place.turn
  session.renamed = context.title ~= session.title
  session.title = context.title
  rows.stored_with = request.stored_with
  rows.model_name = request.model_name
  rows.lease = admission.turn:lease()
  return session_manager.save_message(user_id, session, rows)
end

--- The rest of M.start, once the turn has its place in the queue.
---@async
---@param user_id integer
---@param request TurnRequest
---@param language "zh"|"en"
---@param admission TurnAdmission
---@return tide.Reply|nil reply, tide.Error|nil err those of M.start
local function begin(user_id, request, language, admission)
  local spec, context, saved, unsaved
  for _ = 1, TRIES do
    spec, context = prepare(user_id, request, language, admission)
    if not spec then
      return nil, context
    end
    saved, unsaved = save(user_id, request, admission, context)
    if saved or unsaved.code ~= "turn_taken" or is_routed(request) then
      break
    end
  end
  if not saved then
    admission.turn:leave() -- it may be tried again within this task
    return nil, unsaved
  end
  spec.session_row, spec.message_id = saved.session_row, saved.message_id
  spec.user_message_id = saved.user_message_id
  local reply, not_started = llm.start(spec)
  request.unstarted = not reply and saved.message_id or nil
  if not admission.shown and type(context.messages) == "userdata" then
    context.messages:drop() -- a stream need not hold its history
  end
  return reply, not_started
end

--- Gives the place back at once when nothing has begun: the task may go on, and
--- ask for another one.
---@param admission TurnAdmission
---@param reply tide.Reply|nil
---@param err tide.Error|nil
---@return tide.Reply|nil reply, tide.Error|nil err
local function leave_unless(admission, reply, err)
  if not reply then
    admission.turn:leave()
  end
  return reply, err
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
--- session_manager.check and turn_lease.admit
function M.start(user_id, request, language)
  local admission, refused = admit(user_id, request, language)
  if not admission then
    return nil, refused
  end
  return leave_unless(
    admission,
    begin(user_id, request, language, admission)
  )
end

---@class ReplyToContinue a row of chat_messages
---@field id integer
---@field status "waiting"|"interrupted"
---@field model_name string

--- The rest of M.continue, once the turn has its place in the queue.
---@async
---@param user_id integer
---@param request TurnRequest
---@param row table of resume.SQL_ROW
---@param decisions table<string, boolean>
---@param admission TurnAdmission
---@return tide.Reply|nil reply, tide.Error|nil err those of M.continue
local function begin_again(user_id, request, row, decisions, admission)
  admission.blocks, admission.decisions = tool_steps.blocks(row), decisions
  local spec, context =
    prepare(user_id, request, request.req.language, admission)
  if not spec then
    return nil, context
  end
  local reopened, err =
    message_store.reopen(user_id, row, admission.turn:lease())
  if not reopened then
    return nil, err
  end
  spec.session_row = context.session.id
  spec.message_id, spec.user_message_id = row.id, row.parent_id
  spec.continues = resume.stored(user_id, row)
  return llm.start(spec)
end

--- Goes on with a reply that waits for its user, or that the server's end cut
--- off between two of its steps. It is the same message, and its positions go
--- on.
---@async
---@param user_id integer
---@param session_id string
---@param row table of resume.SQL_ROW
---@param decisions table<string, boolean> which calls are allowed, by id
---@param req tide.Request that lets it go on
---@return tide.Reply|nil reply
---@return tide.Error|nil err those of M.start, nothing_to_continue: somebody
--- else was quicker
function M.continue(user_id, session_id, row, decisions, req)
  local request = {
    req = req,
    session_id = session_id,
    model_name = row.model_name,
    regenerate = row.id,
  }
  local admission, refused = admit(user_id, request, req.language, true)
  if not admission then
    return nil, refused
  end
  return leave_unless(
    admission,
    begin_again(user_id, request, row, decisions, admission)
  )
end

return M
