--- Models: which ones a user can talk to, and what a model's name stands for
--- in a request.

local api_secrets = require "models.api_secrets"
local config = require "tide.config"
local db = require "tide.db"
local errors = require "lib.errors"
local llm = require "tide.llm"
local log = require "tide.log"
local model_options = require "models.model_options"
local recent = require "lib.recent"
local registry = require "providers.registry"
local user_apis = require "models.user_apis"

local M = {}

--- The built-in model's name.
local DEMO = registry.builtin.name

--- What almost all models have: nothing. Never changed.
local NONE = {}

--- Models by the salt of their configuration, as they were opened last: their
--- addresses are checked and their keys unsealed once, not for each request.
--- About as many as this stay.
local OPENED_MAX = 256
local opened = recent.new(OPENED_MAX)

---@class Model a model that can be asked; not to be changed, others have it too
---@field name string as users call it
---@field upstream_name string as its provider does
---@field id? integer of the configuration
---@field takes_images boolean
---@field provider table of providers/
---@field base_url? string
---@field key? tide.Secret the first one; nil = asked without one
---@field keys tide.Secret[] all of them
---@field options? ModelOptions
---@field headers? table<string, tide.Secret>
---@field deadlines? ApiDeadlines only those that differ from the settings
---@field fallbacks? Model[] that may stand in when this one does not answer
---@field version? integer of its configuration
---@field refused? string parameters that were learnt to be refused

--- What a configuration's provider calls its model.
---@param row table of user_apis
---@return string
local function upstream_name_of(row)
  local name = row.upstream_model
  return name and name ~= "" and name or row.model_name
end

--- The caller's models, and `demo` when no configuration has its name.
---@param user_id integer
---@return table[]|nil models, tide.Error|nil err
function M.get_models(user_id)
  -- Of those with the same model's name the first.
  local rows, err = db.query(
    "SELECT model_name, upstream_model, provider FROM user_apis AS api "
      .. "WHERE user_id = ?1 "
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
      upstream_name = upstream_name_of(row),
      provider = row.provider,
      builtin = false,
    }
    own_demo = own_demo or row.model_name == DEMO
  end
  if config.get("demo") and not own_demo then
    models[#models + 1] = {
      model_name = DEMO,
      upstream_name = DEMO,
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
  return next(deadlines) and deadlines or NONE
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
  local keys, unreadable = api_secrets.open_keys(row)
  local headers, sealed
  if keys then
    headers, sealed = api_secrets.open_headers(row)
  end
  if not keys or sealed then
    return nil, unreadable or sealed
  end
  local upstream_name = upstream_name_of(row)
  return {
    name = row.model_name,
    upstream_name = upstream_name,
    id = row.id,
    takes_images = registry.takes_images(provider, upstream_name),
    provider = provider,
    base_url = without_slash(address),
    key = keys[1],
    keys = keys,
    options = model_options.stored(row.options),
    headers = headers,
    deadlines = deadlines_of(row),
    fallbacks = NONE,
    version = row.version,
    refused = row.refused,
  }
end

--- What a configuration stands for that was just found: opened now, or before
--- if it has not changed since.
---@param user_id integer
---@param found FoundApi
---@return Model|nil model
---@return tide.Error|nil err api_not_found and those of M.open
local function open_found(user_id, found)
  local model = opened:get(found.seal_salt)
  if model and model.version == found.version then
    return model
  end
  local row, err = user_apis.read_api(user_id, found)
  if not row then
    return nil, err
  end
  model, err = M.open(row)
  if model then
    opened:put(found.seal_salt, model)
  end
  return model, err
end

--- The first configuration's model, with those that may stand in for it. One
--- of these that cannot be used (its address is not allowed any more, say) is
--- left out: it is only a second choice.
---@param user_id integer
---@param found FoundApi[] the first choice in front
---@return Model|nil model
---@return tide.Error|nil err api_not_found and those of M.open
local function open_all(user_id, found)
  local first
  local fallbacks = {}
  for _, one in ipairs(found) do
    local model, err = open_found(user_id, one)
    if model and first then
      fallbacks[#fallbacks + 1] = model
    elseif model then
      first = model
    elseif err.code ~= "api_not_found" then -- else it was deleted just now
      if not first then
        return nil, err
      end
      log.debug("a fallback cannot be used", { code = err.code })
    end
  end
  if not first then
    return nil, errors.new("api_not_found")
  elseif #fallbacks == 0 then
    return first
  end
  local model = {}
  for name, value in pairs(first) do
    model[name] = value
  end
  model.fallbacks = fallbacks
  return model
end

---@param messages tide.Messages|tide.ChatMessage[]
---@return boolean
local function have_images(messages)
  if type(messages) == "userdata" then
    return messages:has_parts()
  end
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
---@param messages tide.Messages|tide.ChatMessage[]
function M.fit_fallbacks(model, messages)
  if not model.fallbacks or #model.fallbacks == 0 then
    return
  elseif not have_images(messages) then
    return
  end
  local fit = {}
  for _, fallback in ipairs(model.fallbacks) do
    if fallback.takes_images then
      fit[#fit + 1] = fallback
    end
  end
  model.fallbacks = fit
end

---@type Model
local BUILTIN = {
  name = DEMO,
  upstream_name = DEMO,
  takes_images = registry.takes_images(registry.builtin, DEMO),
  provider = registry.builtin,
  keys = NONE,
  fallbacks = NONE,
}

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
  local model, err
  if base_url and base_url ~= "" then
    local row
    row, err = user_apis.get_api_by_model_name(user_id, model_name)
    if row then
      return M.open(row, base_url)
    end
  else
    local found
    found, err = user_apis.find_apis(user_id, model_name)
    if found then
      model, err = open_all(user_id, found)
    end
  end
  if model then
    return model
  elseif err.code ~= "api_not_found" then
    return nil, err
  elseif model_name == DEMO and config.get("demo") then
    return BUILTIN
  end
  return nil, errors.new("no_api_for_model", { model_name = model_name })
end

return M
