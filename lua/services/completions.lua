--- Chat completions for clients of OpenAI's API: asked of the caller's own
--- configuration of that model, and stored nowhere.

local errors = require "lib.errors"
local llm = require "tide.llm"
local models = require "services.models"
local openai = require "policy.openai"
local sources = require "services.sources"

local M = {}

--- Who speaks: a request brings its own system message.
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

--- Asks. The reply runs on its own.
---@param user_id integer
---@param body table the request, checked
---@param terms {language: "zh"|"en", disconnect: "detach"|"cancel"} whether the
--- reply goes on when its client leaves
---@return tide.Reply|nil reply
---@return tide.Error|nil err unsupported_parameter and those of M.resolve
function M.ask(user_id, body, terms)
  local wish, unsupported = openai.wish(body)
  if not wish then
    return nil, unsupported
  end
  local model, unknown = M.resolve(user_id, body.model)
  if not model then
    return nil, unknown
  end
  wish.messages = model.provider.plan and openai.plain(body.messages)
    or body.messages
  wish.persona, wish.language = NOBODY, terms.language
  local spec = { user_id = user_id, disconnect = terms.disconnect }
  sources.set(spec, model, wish)
  return llm.ask(spec)
end

return M
