--- Models: which ones a user can talk to, and what a model's name stands for
--- in a request.

local config = require "tide.config"
local db = require "tide.db"
local errors = require "lib.errors"
local llm = require "tide.llm"
local log = require "tide.log"
local registry = require "providers.registry"
local user_apis = require "models.user_apis"

local M = {}

--- The built-in model's name.
local DEMO = registry.builtin.name

---@class Model a model that can be asked
---@field name string
---@field id? integer of the configuration
---@field provider table of providers/
---@field base_url? string
---@field key? tide.Secret nil = asked without one
---@field deadlines? ApiDeadlines only those that differ from the settings
---@field fallbacks? Model[] that may stand in when this one does not answer

--- The caller's models, and `demo` when no configuration has its name.
---@param user_id integer
---@return table[]|nil models, tide.Error|nil err
function M.get_models(user_id)
  -- Of those with the same model's name the first.
  local rows, err = db.query(
    "SELECT model_name, provider FROM user_apis AS api WHERE user_id = ?1 "
      .. "AND id = (SELECT MIN(id) FROM user_apis WHERE user_id = ?1 "
      .. "AND model_name = api.model_name) ORDER BY model_name",
    { user_id }
  )
  if not rows then
    return nil, err
  end
  local models = {}
  local own_demo = false
  for i, row in ipairs(rows) do
    models[i] = {
      model_name = row.model_name,
      provider = row.provider,
      builtin = false,
    }
    own_demo = own_demo or row.model_name == DEMO
  end
  if config.get("demo") and not own_demo then
    models[#models + 1] = {
      model_name = DEMO,
      provider = DEMO,
      builtin = true,
    }
  end
  return models
end

--- The deadlines that a configuration has of its own.
---@param row table of user_apis
---@return ApiDeadlines
local function deadlines_of(row)
  local deadlines = {}
  for _, name in ipairs({ "connect", "first_byte", "between", "total" }) do
    local ms = row[name .. "_ms"]
    deadlines[name] = ms and ms > 0 and ms or nil
  end
  return deadlines
end

--- An address as paths are appended to it: without slashes at its end. Done
--- here, in one place, because stored ones are as their users wrote them.
---@param address string
---@return string
local function without_slash(address)
  local last = #address
  while address:byte(last) == 47 do
    last = last - 1
  end
  return last < #address and address:sub(1, last) or address
end

--- What a configuration stands for: provider, address (or another one instead)
--- and key.
---@param row table of user_apis
---@param base_url string|nil instead of the configured one; "" and nil = as
--- configured
---@return Model|nil model
---@return tide.Error|nil err unknown_provider, no_base_url, invalid_url,
--- address_not_allowed, secret_unreadable
function M.open(row, base_url)
  local provider = registry.get(row.provider)
  if not provider then
    return nil, errors.new("unknown_provider", { provider = row.provider })
  end
  local address = base_url
  if not address or address == "" then
    address = row.base_url ~= "" and row.base_url or provider.base_url
  end
  if not address then
    return nil, errors.new("no_base_url", { provider = row.provider })
  end
  -- Also a stored one: the policy may be stricter now than it was then.
  local ok, refused = llm.check_url(address)
  if not ok then
    return nil, refused
  end
  local key, unreadable = user_apis.open_key(row)
  if unreadable then
    return nil, unreadable
  end
  return {
    name = row.model_name,
    id = row.id,
    provider = provider,
    base_url = without_slash(address),
    key = key,
    deadlines = deadlines_of(row),
  }
end

--- The configurations that may stand in. One that cannot be used (its address
--- is not allowed any more, say) is left out: it is only a second choice.
---@param rows table[] of user_apis, the first choice in front
---@return Model[]
local function open_fallbacks(rows)
  local fallbacks = {}
  for i = 2, #rows do
    local model, refused = M.open(rows[i])
    fallbacks[#fallbacks + 1] = model
    if refused then
      log.debug("a fallback cannot be used", { code = refused.code })
    end
  end
  return fallbacks
end

---@param messages tide.ChatMessage[]
---@return boolean
local function have_images(messages)
  for _, message in ipairs(messages) do
    local content = message.content
    for _, part in ipairs(type(content) == "table" and content or {}) do
      local kind = type(part) == "table" and part.type
      if kind == "image" or kind == "image_url" then
        return true
      end
    end
  end
  return false
end

--- Leaves out the fallbacks that could not be sent these messages: a model that
--- takes no images would refuse them, or answer as if there were none.
---@param model Model changed
---@param messages tide.ChatMessage[]
function M.fit_fallbacks(model, messages)
  if not model.fallbacks or not have_images(messages) then
    return
  end
  local fit = {}
  for _, fallback in ipairs(model.fallbacks) do
    if registry.takes_images(fallback.provider, fallback.name) then
      fit[#fit + 1] = fallback
    end
  end
  model.fallbacks = fit
end

--- What a request's model stands for: the caller's configuration with the
--- lowest id, with its other ones of that name as fallbacks, or the built-in
--- demo. The address is judged here already, before anything is stored. An
--- address in the request stands for the first configuration's: the others'
--- keys are not for it, so there is no fallback then.
---@param user_id integer
---@param model_name string
---@param base_url string|nil the request's; "" and nil = as configured
---@return Model|nil model
---@return tide.Error|nil err no_api_for_model and those of M.open
function M.resolve(user_id, model_name, base_url)
  local ok, refused = user_apis.check_base_url(base_url or "")
  if not ok then
    return nil, refused
  end
  local rows, err
  if base_url and base_url ~= "" then
    local row
    row, err = user_apis.get_api_by_model_name(user_id, model_name)
    rows = row and { row }
  else
    rows, err = user_apis.get_apis_by_model_name(user_id, model_name)
  end
  if not rows then
    if err.code ~= "api_not_found" then
      return nil, err
    elseif model_name == DEMO and config.get("demo") then
      return { name = DEMO, provider = registry.builtin }
    end
    return nil, errors.new("no_api_for_model", { model_name = model_name })
  end
  local model, unusable = M.open(rows[1], base_url)
  if not model then
    return nil, unusable
  end
  model.fallbacks = open_fallbacks(rows)
  return model
end

return M
