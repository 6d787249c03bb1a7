--- Models: which ones a user can talk to, and what a model's name stands for
--- in a request.

local config = require "tide.config"
local db = require "tide.db"
local errors = require "lib.errors"
local llm = require "tide.llm"
local registry = require "providers.registry"
local user_apis = require "services.user_apis"

local M = {}

--- The built-in model's name.
local DEMO = registry.builtin.name

---@class Model a model that can be asked
---@field name string
---@field provider table of providers/
---@field base_url? string
---@field key? tide.Secret

--- The caller's models, and `demo` when no configuration has its name.
---@param user_id integer
---@return table[]|nil models, tide.Error|nil err
function M.get_models(user_id)
  -- With MIN(id) the other columns come from the row of that id:
  -- https://www.sqlite.org/lang_select.html#bareagg
  local rows, err = db.query(
    "SELECT model_name, provider, MIN(id) AS id FROM user_apis "
      .. "WHERE user_id = ? GROUP BY model_name ORDER BY model_name",
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

--- What a configuration stands for: provider, address (or another one instead)
--- and key.
---@param row table of user_apis
---@param base_url string|nil instead of the configured one; "" and nil = as
--- configured
---@return Model|nil model
---@return tide.Error|nil err invalid_provider, no_base_url, invalid_url,
--- address_not_allowed, secret_unreadable
function M.open(row, base_url)
  local provider = registry.get(row.provider)
  if not provider then
    return nil, errors.new("invalid_provider")
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
  if not key then
    return nil, unreadable
  end
  return {
    name = row.model_name,
    provider = provider,
    base_url = address,
    key = key,
  }
end

--- What a request's model stands for: the caller's configuration, or the
--- built-in demo. The address is judged here already, before anything is
--- stored.
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
  local row, err = user_apis.get_api_by_model_name(user_id, model_name)
  if not row then
    if err.code ~= "api_not_found" then
      return nil, err
    elseif model_name == DEMO and config.get("demo") then
      return { name = DEMO, provider = registry.builtin }
    end
    return nil, errors.new("no_api_for_model", { model_name = model_name })
  end
  return M.open(row, base_url)
end

return M
