--- The models that a provider offers, asked of the provider itself, for a
--- configuration that is being filled in or that is stored.

local api_secrets = require "models.api_secrets"
local connection = require "models.connection"
local crypto = require "tide.crypto"
local errors = require "lib.errors"
local http = require "tide.http"
local json = require "tide.json"
local llm = require "tide.llm"
local models = require "models.models"
local own_body = require "models.own_body"
local registry = require "providers.registry"
local user_apis = require "models.user_apis"

local M = {}

local LIMIT_MS = 15000
local ANSWER_MAX = 4 << 20

--- Names that are told, and the characters of one.
local NAMES_MAX = 1000
local NAME_MAX = 200

--- A list of models in one of the forms that services have.
---@param answer any decoded
---@return table|nil
local function list_of(answer)
  if type(answer) ~= "table" then
    return nil
  elseif json.is_array(answer) then
    return answer
  end
  for _, name in ipairs({ "data", "models" }) do
    local list = answer[name]
    if type(list) == "table" and json.is_array(list) then
      return list
    end
  end
  return nil
end

--- Whether a model of Gemini's list talks: it says what each can do.
---@param model table
---@return boolean
local function talks(model)
  local methods = model.supportedGenerationMethods
  for _, method in ipairs(type(methods) == "table" and methods or {}) do
    if method == "generateContent" then
      return true
    end
  end
  return type(methods) ~= "table"
end

--- The name of an item.
---@param item any
---@return string|nil
local function name_of(item)
  local model = type(item) == "table" and item or { id = item }
  for _, key in ipairs({ "id", "name", "model" }) do
    local name = model[key]
    if type(name) == "string" and name ~= "" then
      name = name:gsub("^models/", "")
      local fits = #name <= NAME_MAX and not name:find("%c")
      return fits and talks(model) and name or nil
    end
  end
  return nil
end

--- The names in an answer, sorted, each once.
---@param answer any decoded
---@return string[]|nil names nil: it is no list of models
function M.names(answer)
  local list = list_of(answer)
  if not list then
    return nil
  end
  local names, seen = json.array({}), {}
  for _, item in ipairs(list) do
    local name = name_of(item)
    if name and not seen[name] and #names < NAMES_MAX then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

---@class ModelListRequest of a stored configuration, of one that is filled in,
--- or of a stored one with changes
---@field id? integer
---@field provider? string
---@field base_url? string
---@field api_key? string its mask stands for the stored one
---@field headers? table<string, string>
---@field replace_headers? boolean
---@field api_version? string

--- A configuration as it would be stored; it never is.
---@param user_id integer
---@param wanted ModelListRequest
---@param stored table|nil row of user_apis
---@param language "zh"|"en"
---@return table|nil row, tide.Error|nil err invalid_field
local function row_of(user_id, wanted, stored, language)
  local row = { model_name = "", api_key_mask = "", seal_salt = "" }
  for name, value in pairs(stored or {}) do
    row[name] = value
  end
  row.user_id = user_id
  row.provider = wanted.provider or row.provider or registry.DEFAULT
  row.seal_salt = stored and stored.seal_salt or crypto.random_hex_digits(32)
  if wanted.base_url then
    row.base_url = connection.address(wanted.base_url, row.provider)
  end
  if wanted.api_version then
    row.options = json.encode({ api_version = wanted.api_version })
  end
  local key = wanted.api_key and connection.key(wanted.api_key)
  if key and key ~= "" and key ~= row.api_key_mask then
    local ok, invalid = api_secrets.check_key(key, language)
    if not ok then
      return nil, invalid
    end
    row.api_key_mask = api_secrets.mask(key)
    row.api_key_sealed = api_secrets.seal(key, user_id, row.seal_salt)
    row.more_keys = "[]"
  end
  if wanted.headers then
    local replaces = wanted.replace_headers or false
    local ok, invalid =
      api_secrets.check_headers(wanted.headers, stored, replaces, language)
    if not ok then
      return nil, invalid
    end
    row.headers = api_secrets.seal_headers(
      wanted.headers,
      stored,
      user_id,
      row.seal_salt
    )
  end
  return row
end

--- The configuration that is asked about, opened.
---@param user_id integer
---@param wanted ModelListRequest
---@param language "zh"|"en"
---@return Model|nil model
---@return tide.Error|nil err api_not_found, invalid_field, models_not_listed,
--- those of user_apis.check_base_url and of models.open
local function open(user_id, wanted, language)
  local stored, row, err
  if wanted.id then
    stored, err = user_apis.get_api_by_id(user_id, wanted.id)
    if not stored then
      return nil, err
    end
  end
  row, err = row_of(user_id, wanted, stored, language)
  if not row then
    return nil, err
  end
  row.base_url = row.base_url or ""
  local ok, refused = user_apis.check_base_url(row.base_url)
  if not ok then
    return nil, refused
  end
  local model, unopened = models.open(row)
  if model and not model.provider.models then
    return nil, errors.new("models_not_listed", { provider = row.provider })
  end
  return model, unopened
end

--- Asks a provider for its models; yields.
---@param user_id integer
---@param wanted ModelListRequest
---@param language "zh"|"en"
---@return string[]|nil names
---@return tide.Error|nil err those of `open`, of tide.http and of upstreams
function M.fetch(user_id, wanted, language)
  local model, err = open(user_id, wanted, language)
  if not model then
    return nil, err
  end
  local call = own_body.with_headers(
    model,
    model.provider.models({
      base_url = model.base_url,
      key = model.key,
      api_version = model.options and model.options.api_version,
    })
  )
  local answer, failed = http.request({
    url = call.url,
    headers = call.headers,
    timeout_ms = LIMIT_MS,
    max_bytes = ANSWER_MAX,
  })
  if not answer then
    return nil, failed
  elseif answer.status < 200 or answer.status > 299 then
    return nil, llm.status_error(answer.status, answer.body)
  end
  local names = M.names((json.decode(answer.body)))
  if not names then
    return nil, errors.new("upstream_bad_response")
  end
  return names
end

return M
