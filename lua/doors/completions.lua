--- Chat completions for clients of OpenAI's API. They go to the caller's own
--- configuration of that model and are not stored.

local conversation = require "doors.conversation"
local door_turn = require "doors.door_turn"
local errors = require "lib.errors"
local hooks = require "hooks"
local json = require "tide.json"
local llm = require "tide.llm"
local models = require "models.models"
local openai = require "doors.openai"
local quota = require "account.quota"
local replies = require "chat.replies"
local server_tools = require "tools"
local tool_loop = require "chat.tool_loop"
local tools = require "chat.tools"
local turn_view = require "chat.turn"
local upstream_request = require "models.upstream_request"

local M = {}

--- The persona: none, since a request brings its own system message.
local NOBODY = { name = "OpenAI API", content = "" }

--- A model that the caller can use.
---@param user_id integer
---@param name string
---@return Model|nil model, tide.Error|nil err model_not_found and those of
--- models.resolve
function M.resolve(user_id, name)
  local model, err = models.resolve(user_id, name)
  if not model and err.code == "no_api_for_model" then
    return nil, errors.new("model_not_found", {
      field = "model",
      model_name = name,
    })
  end
  return model, err
end

--- What of a request is read when somebody asks for it.
local READ_LATE = {
  messages = true,
  tools = true,
  tool_choice = true,
  max_tokens = true,
  options = true,
}

--- A request as the sources of replies need it: as it came in `raw`, and its
--- parts as tables from when somebody asks for one.
---@param body table the request, checked
---@return ReplySource
local function source_of(body)
  local decoded
  return setmetatable({
    raw = body.request,
    came = body.came,
    reasoning = body.reasoning,
  }, {
    __index = function(source, key)
      if not READ_LATE[key] then
        return nil
      elseif not decoded then
        local whole = json.decode(body.request)
        decoded = openai.parameters(whole)
        decoded.messages = whole.messages
      end
      source[key] = decoded[key]
      return decoded[key]
    end,
  })
end

--- An answer of a hook as the source of a reply.
---@param spec tide.StartSpec changed
---@param answer tide.Answer
local function play(spec, answer)
  spec.play = {
    text = answer.answer,
    reasoning = answer.reasoning,
    finish_reason = answer.finish_reason or "stop",
  }
end

--- Adds the hooks that are called while the reply runs and when it has ended.
---@param spec tide.StartSpec changed
---@param shown DoorTurn|nil
---@return true|nil ok, tide.Error|nil err hook_failed
local function add_hooks(spec, shown)
  if not shown then
    return true
  end
  shown.moment = "later"
  if hooks.on_delta then
    local filter, failed = hooks.on_delta(shown.turn)
    if failed then
      return nil, failed
    end
    spec.on_delta = filter
  end
  spec.on_finish = hooks.after_llm
    and function(result)
      hooks.after_llm(shown.turn, result)
    end
  return true
end

--- A model that may be asked this.
---@param user_id integer
---@param body table
---@param name string
---@return Model|nil model, tide.Error|nil err
local function find_model(user_id, body, name)
  local model, unknown = M.resolve(user_id, name)
  if not model then
    return nil, unknown
  end
  if body.refused and not upstream_request.keep_speakers(model, body.came) then
    return nil, errors.new("unsupported_parameter", { field = body.refused })
  end
  local free, exceeded = quota.check(user_id, model.name)
  if not free then
    return nil, exceeded
  end
  return model
end

--- The source of a reply with what hooks have changed.
---@param shown DoorTurn
---@param body table
---@param source ReplySource
---@return ReplySource|nil source
---@return tide.Error|nil err unsupported_parameter
local function changed_source(shown, body, source)
  local request = door_turn.changed(shown, body.request)
  if request then
    local supported, unsupported = openai.check(json.decode(request))
    if not supported then
      return nil, unsupported
    elseif body.refused then -- it has no place in OpenAI's form
      return nil,
        errors.new("unsupported_parameter", { field = body.refused })
    end
    source = source_of({ request = request, reasoning = body.reasoning })
  end
  local messages = shown.values.messages
  if messages then
    source.messages, source.changed = messages, messages
  end
  return source
end

--- Calls a hook that may refuse the turn, or answer instead of the model.
---@param shown DoorTurn|nil
---@param name "before_turn"|"before_llm"
---@return tide.Answer|nil answer, tide.Error|nil err
local function decide(shown, name)
  if not shown or not hooks[name] then
    return nil
  end
  shown.moment = name
  return hooks[name](shown.turn)
end

---@class DoorAnswer an answer without a model
---@field name string what its client named
---@field provider {name: string}

--- The reply that a hook gives.
---@param spec tide.StartSpec changed
---@param shown DoorTurn
---@param answer tide.Answer
---@return tide.StartSpec|nil spec, DoorAnswer|tide.Error model
local function answered(spec, shown, answer)
  play(spec, answer)
  local ok, failed = add_hooks(spec, shown)
  if not ok then
    return nil, failed
  end
  return spec, { name = shown.values.model_name, provider = { name = "" } }
end

--- Lets the model call this server's tools within the reply. The request is
--- made anew for each of its parts.
---@param spec tide.StartSpec changed
---@param model Model
---@param source ReplySource
---@param turn tide.Turn
local function add_tools(spec, model, source, turn)
  spec.counted_as = model.name
  spec.produce = tool_loop.producer({
    model = model,
    tools = tools.without_approval(server_tools),
    turn = turn,
    source = {
      messages = table.move(source.messages, 1, #source.messages, 1, {}),
      reasoning = source.reasoning or {},
      persona = source.persona,
      language = source.language,
      tools = source.tools,
      tool_choice = source.tool_choice,
      max_tokens = source.max_tokens,
      options = source.options,
    },
  })
end

--- What asking the model takes, for llm.ask or llm.start.
---@param user_id integer
---@param body table the request, checked, in OpenAI's form. One that came in
--- another form has it in `came`, in `refused` what of it has no place in
--- OpenAI's, and in `reasoning` (CallReasoning) that of its messages
---@param terms {language: "zh"|"en", disconnect?: "detach"|"cancel",
--- req?: tide.Request, tools?: boolean} whether the reply goes on when its
--- client leaves; what hooks see as the request; whether the model may call
--- this server's tools, which llm.start alone can run
---@return tide.StartSpec|nil spec
---@return Model|DoorAnswer|tide.Error model or the error:
--- unsupported_parameter, limit_reached, those of hooks and of M.resolve
function M.prepare(user_id, body, terms)
  local supported, unsupported = openai.check(body)
  if not supported then
    return nil, unsupported
  end
  local spec = {
    user_id = user_id,
    disconnect = terms.disconnect,
    keep_empty = true, -- behind tools' results an empty `stop` is an answer
  }
  local source = source_of(body)
  local runs_tools = terms.tools and tool_loop.is_needed()
  local shown = (runs_tools or turn_view.is_watched())
    and door_turn.show(user_id, body, source, terms)
    or nil
  local answer, refusal = decide(shown, "before_turn")
  if refusal then
    return nil, refusal
  elseif answer then
    return answered(spec, shown, answer)
  end
  local model, unfit =
    find_model(user_id, body, shown and shown.values.model_name or body.model)
  if not model then
    return nil, unfit
  end
  answer, refusal = decide(shown, "before_llm")
  if refusal then
    return nil, refusal
  elseif answer then
    return answered(spec, shown, answer)
  end
  if shown then
    source, refusal = changed_source(shown, body, source)
    if not source then
      return nil, refusal
    end
  end
  local ok, failed = add_hooks(spec, shown)
  if not ok then
    return nil, failed
  end
  source.persona, source.language = NOBODY, terms.language
  source.tokens = conversation.tokens(body)
  if model.provider.play then
    source.messages = openai.plain(source.messages)
  end
  if model.fallbacks and #model.fallbacks > 0 then
    models.fit_fallbacks(model, source.messages)
  end
  if runs_tools then
    add_tools(spec, model, source, shown.turn)
  else
    upstream_request.fill(spec, model, source)
  end
  return spec, model
end

--- Asks the model. The reply runs on its own.
---@param user_id integer
---@param body table the request, checked
---@param terms {language: "zh"|"en", disconnect: "detach"|"cancel",
--- req?: tide.Request}
---@return tide.Reply|nil reply
---@return tide.Error|nil err those of M.prepare, too_many_replies
function M.ask(user_id, body, terms)
  local spec, refused = M.prepare(user_id, body, terms)
  if not spec then
    return nil, refused
  end
  return llm.ask(spec)
end

---@class DoorForm how a door answers
---@field completion? tide.Completion what the core writes, whole or in chunks;
--- without it:
---@field chunks? fun(): tide.StreamChunks the form of its stream
---@field whole? fun(result: tide.Result, reply: tide.Reply): table|nil, any
--- what it answers without a stream, or nil and an error
---@field headers? table<string, string>
---@field disconnect? "detach"|"cancel" default "cancel"

---@param form DoorForm
---@param options {include_usage?: boolean}|nil
---@return tide.StreamChunks
local function chunks_of(form, options)
  if not form.completion then
    return form.chunks()
  end
  form.completion.include_usage = options and options.include_usage
  return form.completion
end

--- Waits for the end of a reply; yields.
---@param form DoorForm
---@param reply tide.Reply
---@return table|string|nil object, tide.Error|nil err
local function whole_of(form, reply)
  if form.completion then
    local ended, failed = replies.ended(reply)
    return ended and ended:completion(form.completion), failed
  end
  local result, failed = replies.whole(reply)
  if not result then
    return nil, failed
  end
  return form.whole(result, reply)
end

--- Asks the model, and answers with a stream or with the whole reply, as the
--- request wants it; yields.
---@param req tide.Request whose body has `stream`
---@param body table for M.ask
---@param form DoorForm
---@return tide.Response|nil response
---@return tide.Error|nil err those of M.ask and of replies
function M.answer(req, body, form)
  local reply, refused = M.ask(req.user.id, body, {
    req = req,
    language = req.language,
    disconnect = form.disconnect or "cancel",
  })
  if not reply then
    return nil, refused
  elseif req.body.stream then
    local begun, failed = replies.begun(reply)
    return begun and {
      stream = begun,
      headers = form.headers,
      chunks = chunks_of(form, req.body.stream_options),
    },
      failed
  end
  local object, failed = whole_of(form, reply)
  return object and { json = object, headers = form.headers }, failed
end

return M
