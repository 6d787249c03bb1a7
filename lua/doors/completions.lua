--- Chat completions for clients of OpenAI's API. They go to the caller's own
--- configuration of that model and are not stored.

local errors = require "lib.errors"
local hooks = require "hooks"
local llm = require "tide.llm"
local models = require "models.models"
local openai = require "doors.openai"
local quota = require "account.quota"
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

--- Calls the hooks, whose rules hold for these requests too.
---@param spec tide.StartSpec changed; its user is there
---@param model Model
---@param source ReplySource changed
---@return boolean|nil willing, tide.Error|nil err a hook refused
local function apply_hooks(spec, model, source)
  local turn = {
    user_id = spec.user_id,
    session_id = "",
    model_name = model.name,
    persona = NOBODY.name,
    language = source.language,
    first = true,
    message = openai.last_question(source.messages),
    messages = source.messages,
    title = "",
  }
  if hooks.before_llm then
    local willing, refusal = hooks.before_llm(turn)
    if not willing then
      return nil, refusal
    end
    source.messages = turn.messages
  end
  spec.on_delta = hooks.on_delta and hooks.on_delta(turn)
  spec.on_finish = hooks.after_llm
    and function(result)
      hooks.after_llm(turn, result)
    end
  return true
end

--- Asks the model. The reply runs on its own.
---@param user_id integer
---@param body table the request, checked
---@param terms {language: "zh"|"en", disconnect: "detach"|"cancel"} whether the
--- reply goes on when its client leaves
---@return tide.Reply|nil reply
---@return tide.Error|nil err unsupported_parameter, limit_reached, those of
--- hooks and of M.resolve
function M.ask(user_id, body, terms)
  local source, unsupported = openai.parameters(body)
  if not source then
    return nil, unsupported
  end
  local model, unknown = M.resolve(user_id, body.model)
  if not model then
    return nil, unknown
  end
  local free, exceeded = quota.check(user_id, model.name)
  if not free then
    return nil, exceeded
  end
  source.messages = model.provider.play and openai.plain(body.messages)
    or body.messages
  source.persona, source.language = NOBODY, terms.language
  local spec = { user_id = user_id, disconnect = terms.disconnect }
  local willing, refusal = apply_hooks(spec, model, source)
  if not willing then
    return nil, refusal
  end
  models.fit_fallbacks(model, source.messages)
  upstream_request.fill(spec, model, source)
  return llm.ask(spec)
end

return M
