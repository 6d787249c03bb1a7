--- Chat completions for clients of OpenAI's API. They go to the caller's own
--- configuration of that model and are not stored.

local conversation = require "doors.conversation"
local errors = require "lib.errors"
local hooks = require "hooks"
local json = require "tide.json"
local llm = require "tide.llm"
local models = require "models.models"
local openai = require "doors.openai"
local quota = require "account.quota"
local server_tools = require "tools"
local tool_loop = require "chat.tool_loop"
local tools = require "chat.tools"
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

--- The turn that hooks see. Its messages become tables when a hook asks for
--- them; until then they are sent as they came.
---@param spec tide.StartSpec
---@param model Model
---@param source ReplySource
---@return tide.HookTurn turn
---@return fun(): tide.ChatMessage[]|nil touched the messages, if a hook has
--- asked for them or set them
local function turn_of(spec, model, source)
  local looking = false
  local turn = setmetatable({
    user_id = spec.user_id,
    session_id = "",
    model_name = model.name,
    persona = NOBODY.name,
    language = source.language,
    first = true,
    title = "",
  }, {
    __index = function(turn, key)
      if key == "messages" and not looking then
        turn.messages = source.messages
        return source.messages
      elseif key == "message" then
        turn.message = openai.last_question(source.messages)
        return turn.message
      end
      return nil
    end,
  })
  return turn, function()
    looking = true
    local messages = turn.messages
    looking = false
    return messages
  end
end

--- Calls the hooks, whose rules hold for these requests too.
---@param spec tide.StartSpec changed; its user is there
---@param model Model
---@param source ReplySource changed
---@return tide.HookTurn|nil turn, tide.Error|nil err a hook refused
local function apply_hooks(spec, model, source)
  local turn, touched = turn_of(spec, model, source)
  if hooks.before_llm then
    local willing, refusal = hooks.before_llm(turn)
    if not willing then
      return nil, refusal
    end
    local messages = touched()
    if messages then
      source.messages, source.changed = messages, messages
    end
  end
  spec.on_delta = hooks.on_delta and hooks.on_delta(turn)
  spec.on_finish = hooks.after_llm
    and function(result)
      hooks.after_llm(turn, result)
    end
  return turn
end

--- Lets the model call this server's tools within the reply. The request is
--- made anew for each of its parts.
---@param spec tide.StartSpec changed
---@param model Model
---@param source ReplySource
---@param turn tide.HookTurn
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
--- tools?: boolean} whether the reply goes on when its client leaves, and
--- whether this server's tools are for it, which llm.start alone can run
---@return tide.StartSpec|nil spec
---@return Model|tide.Error model or the error: unsupported_parameter,
--- limit_reached, those of hooks and of M.resolve
function M.prepare(user_id, body, terms)
  local supported, unsupported = openai.check(body)
  if not supported then
    return nil, unsupported
  end
  local model, unknown = M.resolve(user_id, body.model)
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
  local source = source_of(body)
  if model.provider.play then
    source.messages = openai.plain(source.messages)
  end
  source.persona, source.language = NOBODY, terms.language
  source.tokens = conversation.tokens(body)
  local spec = {
    user_id = user_id,
    disconnect = terms.disconnect,
    keep_empty = true, -- behind tools' results an empty `stop` is an answer
  }
  local turn, refusal = apply_hooks(spec, model, source)
  if not turn then
    return nil, refusal
  end
  if model.fallbacks and #model.fallbacks > 0 then
    models.fit_fallbacks(model, source.messages)
  end
  if terms.tools and tool_loop.is_needed() then
    add_tools(spec, model, source, turn)
  else
    upstream_request.fill(spec, model, source)
  end
  return spec, model
end

--- Asks the model. The reply runs on its own.
---@param user_id integer
---@param body table the request, checked
---@param terms {language: "zh"|"en", disconnect: "detach"|"cancel"}
---@return tide.Reply|nil reply
---@return tide.Error|nil err those of M.prepare, too_many_replies
function M.ask(user_id, body, terms)
  local spec, refused = M.prepare(user_id, body, terms)
  if not spec then
    return nil, refused
  end
  return llm.ask(spec)
end

return M
