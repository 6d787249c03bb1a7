--- A user's own API configurations. Keys and headers are sealed before they are
--- stored (models/api_secrets). Rows are found by user and id, never by id
--- alone.

local api_secrets = require "models.api_secrets"
local cache = require "lib.cache"
local connection = require "models.connection"
local crypto = require "tide.crypto"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"
local model_options = require "models.model_options"
local registry = require "providers.registry"
local sql = require "lib.sql"
local time = require "tide.time"

local M = {}

--- The most configurations that a user may have.
local APIS_MAX = 500

--- `GET /api/user/apis/first` is a route, so no configuration may be named so.
local RESERVED_NAME = "first"

--- The columns that a user fills in, and what is made of the keys.
local FIELDS = {
  "api_name",
  "provider",
  "model_name",
  "upstream_model",
  "base_url",
  "api_key_sealed",
  "api_key_mask",
  "more_keys",
  "seal_salt",
  "options",
  "headers",
  "connect_ms",
  "first_byte_ms",
  "between_ms",
  "total_ms",
}

local COLUMNS = "id, user_id, " .. table.concat(FIELDS, ", ")
  .. ", refused, version, created_at, updated_at"

-- The number is checked in the statement that inserts, so that requests at the
-- same moment cannot exceed it together.
local SQL_INSERT = "INSERT INTO user_apis (" .. table.concat(FIELDS, ", ")
  .. ", created_at, updated_at, user_id) SELECT " .. sql.places(#FIELDS + 3)
  .. " WHERE (SELECT COUNT(*) FROM user_apis WHERE user_id = ?) < ?"

local SQL_UPDATE = "UPDATE user_apis SET " .. sql.changes(FIELDS)
  .. ", refused = '', version = version + 1, updated_at = ? "
  .. "WHERE user_id = ? AND id = ?"

--- The most configurations of one model that a request may try.
local CANDIDATES_MAX = 8

---@param name string
---@return true|nil ok, tide.Error|nil err api_name_reserved
local function check_name(name)
  if name == RESERVED_NAME then
    return nil, errors.new("api_name_reserved", { api_name = name })
  end
  return true
end

--- An address that requests may be sent to. Paths are appended to it, so it
--- has no query and no fragment. "" is the provider's own.
---@param base_url string
---@return true|nil ok, tide.Error|nil err invalid_url, address_not_allowed
function M.check_base_url(base_url)
  if base_url == "" then
    return true
  elseif base_url:find("[?#%s%c]") then
    return nil, errors.new("invalid_url")
  end
  return llm.check_url(base_url)
end

--- Runs a query for one row.
---@param condition string SQL behind "user_id = ? AND"
---@param user_id integer
---@param value any
---@return table|nil api row, tide.Error|nil err api_not_found
local function get_one(condition, user_id, value)
  local row, err = db.one(
    "SELECT " .. COLUMNS .. " FROM user_apis WHERE user_id = ? AND "
      .. condition,
    { user_id, value }
  )
  if not row then
    return nil, err or errors.new("api_not_found")
  end
  return row
end

---@param user_id integer
---@param id integer
---@return table|nil api row, tide.Error|nil err api_not_found
function M.get_api_by_id(user_id, id)
  return get_one("id = ?", user_id, id)
end

---@param user_id integer
---@param api_name string
---@return table|nil api row, tide.Error|nil err api_not_found
function M.get_api_by_name(user_id, api_name)
  return get_one("api_name = ?", user_id, api_name)
end

--- What is read of a configuration to know whether one has it already: the salt
--- is random, so it names the row for good, unlike the id of a deleted one.
---@class FoundApi
---@field id integer
---@field version integer
---@field seal_salt string

local SQL_FIND = "SELECT id, version, seal_salt FROM user_apis "
  .. "WHERE user_id = ? AND model_name = ? ORDER BY id LIMIT ?"

--- Finds the configurations of one model, oldest first: the first is the one to
--- ask, the others may stand in for it.
---@param user_id integer
---@param model_name string
---@param limit? integer
---@return FoundApi[]|nil found perhaps none, tide.Error|nil err
function M.find_apis(user_id, model_name, limit)
  return db.query(SQL_FIND, { user_id, model_name, limit or CANDIDATES_MAX })
end

--- A configuration that was just found: from the cache, or from the database
--- and then cached.
---@param user_id integer
---@param found FoundApi
---@return table|nil api row, tide.Error|nil err api_not_found
function M.read_api(user_id, found)
  local row = cache.get_cached_model_config(user_id, found.id, found.version)
  if row then
    return row
  end
  local err
  row, err = M.get_api_by_id(user_id, found.id)
  if row then
    cache.cache_model_config(row)
  end
  return row, err
end

--- The configurations of one model, oldest first.
---@param user_id integer
---@param model_name string
---@param limit? integer
---@return table[]|nil api rows, tide.Error|nil err api_not_found
function M.get_apis_by_model_name(user_id, model_name, limit)
  local found, err = M.find_apis(user_id, model_name, limit)
  if not found then
    return nil, err
  end
  local rows = {}
  for _, one in ipairs(found) do
    local row, lost = M.read_api(user_id, one)
    if row then
      rows[#rows + 1] = row
    elseif lost.code ~= "api_not_found" then -- deleted just now
      return nil, lost
    end
  end
  if #rows == 0 then
    return nil, errors.new("api_not_found")
  end
  return rows
end

--- Of several configurations with one model the oldest.
---@param user_id integer
---@param model_name string
---@return table|nil api row, tide.Error|nil err api_not_found
function M.get_api_by_model_name(user_id, model_name)
  local rows, err = M.get_apis_by_model_name(user_id, model_name, 1)
  return rows and rows[1], err
end

---@param user_id integer
---@return table|nil api row, tide.Error|nil err api_not_found
function M.get_first_available_api(user_id)
  return get_one("id > ? ORDER BY id LIMIT 1", user_id, 0)
end

---@param user_id integer
---@return table[]|nil api rows, newest first, tide.Error|nil err
function M.get_user_apis(user_id)
  return db.query(
    "SELECT " .. COLUMNS .. " FROM user_apis WHERE user_id = ? "
      .. "ORDER BY id DESC",
    { user_id }
  )
end

---@class ApiFields
---@field api_name? string
---@field api_key? string
---@field api_keys? string[] further ones
---@field model_name? string
---@field upstream_model? string its provider's name for the model; "" = same
---@field base_url? string
---@field provider? string
---@field deadlines? ApiDeadlines
---@field options? ModelOptions
---@field headers? table<string, string>
---@field replace_headers? boolean headers may replace those of the server

---@class ApiDeadlines ms; 0 = the server's setting
---@field connect? integer until connected, DNS and TLS included
---@field first_byte? integer from the request to the answer's first byte
---@field between? integer between bytes
---@field total? integer from the request to the answer's end

--- A failed write as the caller's error.
---@param err tide.Error
---@param api_name string|nil
---@return tide.Error
local function write_error(err, api_name)
  if err.code == "duplicate" then
    return errors.new("api_name_taken", { api_name = api_name })
  elseif err.code == "unexpected_changes" then
    return errors.new("api_not_found")
  end
  return err
end

--- Deadline -> its column.
local DEADLINES = {
  connect = "connect_ms",
  first_byte = "first_byte_ms",
  between = "between_ms",
  total = "total_ms",
}

--- The columns of what is given; those of the rest are absent.
---@param user_id integer
---@param fields ApiFields checked
---@param key string|nil to be sealed
---@param before table|nil the row as it is; nil = a new one
---@return table row of FIELDS
local function row_of(user_id, fields, key, before)
  local salt = before and before.seal_salt or crypto.random_hex_digits(32)
  local row = {
    api_name = fields.api_name,
    provider = fields.provider,
    model_name = fields.model_name,
    upstream_model = fields.upstream_model,
    base_url = fields.base_url,
    options = fields.options and json.encode(fields.options),
    more_keys = fields.api_keys
      and api_secrets.seal_keys(fields.api_keys, user_id, salt),
    headers = fields.headers
      and api_secrets.seal_headers(fields.headers, before, user_id, salt),
    seal_salt = salt,
  }
  for name, column in pairs(DEADLINES) do
    row[column] = (fields.deadlines or {})[name]
  end
  if key then
    row.api_key_sealed = api_secrets.seal(key, user_id, salt)
    row.api_key_mask = key ~= "" and api_secrets.mask(key) or ""
  end
  return row
end

--- Checks what a new configuration and a change have in common.
---@param fields ApiFields what is given, repaired; changed: options are read
---@param key string|nil
---@param before table|nil the row as it is; nil = a new one
---@param language "zh"|"en"
---@return true|nil ok
---@return tide.Error|nil err api_name_reserved, invalid_field, invalid_url,
--- address_not_allowed
local function check(fields, key, before, language)
  local ok, err = true, nil
  if fields.api_name then
    ok, err = check_name(fields.api_name)
  end
  if ok and key and key ~= "" then
    ok, err = api_secrets.check_key(key, language)
  end
  for i, one in ipairs(ok and fields.api_keys or {}) do
    if ok then
      ok, err = api_secrets.check_key(one, language, ("api_keys[%d]"):format(i))
    end
  end
  if ok and fields.base_url then
    ok, err = M.check_base_url(fields.base_url)
  end
  if ok and fields.headers then
    ok, err = api_secrets.check_headers(
      fields.headers,
      before,
      fields.replace_headers or false,
      language
    )
  end
  if ok and fields.options then
    local options, invalid = model_options.read(fields.options, language)
    if not options then
      return nil, invalid
    end
    fields.options = options
  end
  return ok, err
end

--- The keys of a list as they go into headers.
---@param keys string[]|nil
---@return string[]|nil
local function repaired(keys)
  if not keys then
    return nil
  end
  local list = {}
  for i, key in ipairs(keys) do
    list[i] = connection.key(key)
  end
  return list
end

---@param user_id integer
---@param fields ApiFields name and model are there
---@param language "zh"|"en"
---@return table|nil api row
---@return tide.Error|nil err api_name_taken, api_name_reserved, missing_field,
--- invalid_field, invalid_url, address_not_allowed
function M.create_api(user_id, fields, language)
  local provider = fields.provider or registry.DEFAULT
  local key = connection.key(fields.api_key or "")
  local wanted = setmetatable({
    provider = provider,
    base_url = connection.address(fields.base_url or "", provider),
    api_keys = repaired(fields.api_keys) or {},
    upstream_model = fields.upstream_model or "",
    options = fields.options or {},
    headers = fields.headers or {},
  }, { __index = fields })
  local ok, err = check_name(fields.api_name)
  if ok and key == "" and connection.needs_key(provider) then
    return nil, errors.new("missing_field", { field = "api_key" })
  elseif ok then
    ok, err = check(wanted, key, nil, language)
  end
  if not ok then
    return nil, err
  end
  local row = row_of(user_id, wanted, key, nil)
  for _, column in pairs(DEADLINES) do
    row[column] = row[column] or 0
  end
  local now = time.now()
  local outcomes, failed = db.write({
    {
      SQL_INSERT,
      sql.values(FIELDS, row, now, now, user_id, user_id, APIS_MAX),
      expect = 1,
    },
  })
  if not outcomes then
    if failed.code == "unexpected_changes" then
      return nil, errors.new("too_many_apis", { limit = APIS_MAX })
    end
    return nil, write_error(failed, fields.api_name)
  end
  return M.get_api_by_id(user_id, outcomes[1].id)
end

--- Changes what is given; base_url and upstream_model "" clear it, and options,
--- headers and api_keys are replaced as a whole. A page that loads a
--- configuration and sends all of it back sends the key's mask: that means
--- the key stays.
---@param user_id integer
---@param id integer
---@param fields ApiFields absent = unchanged
---@param language "zh"|"en"
---@return table|nil api row
---@return tide.Error|nil err api_not_found and those of create_api
function M.update_api(user_id, id, fields, language)
  local row, unknown = M.get_api_by_id(user_id, id)
  if not row then
    return nil, unknown
  end
  local key = fields.api_key and connection.key(fields.api_key)
  if key == row.api_key_mask or key == "" then
    key = nil
  end
  local provider = fields.provider or row.provider
  local change = setmetatable({
    base_url = fields.base_url
      and connection.address(fields.base_url, provider),
    api_keys = repaired(fields.api_keys),
    options = fields.options,
  }, { __index = fields })
  local ok, err = check(change, key, row, language)
  if not ok then
    return nil, err
  end
  local outcomes, failed = db.write({
    {
      SQL_UPDATE,
      sql.values(
        FIELDS,
        row_of(user_id, change, key, row),
        time.now(),
        user_id,
        id
      ),
      expect = 1,
    },
  })
  if not outcomes then
    return nil, write_error(failed, fields.api_name)
  end
  return M.get_api_by_id(user_id, id)
end

---@param user_id integer
---@param id integer
---@return true|nil ok, tide.Error|nil err api_not_found
function M.delete_api(user_id, id)
  local outcomes, err = db.write({
    {
      "DELETE FROM user_apis WHERE user_id = ? AND id = ?",
      { user_id, id },
      expect = 1,
    },
  }, { use_reserve = true })
  if not outcomes then
    return nil, write_error(err)
  end
  cache.forget_model_config(user_id, id)
  return true
end

return M
