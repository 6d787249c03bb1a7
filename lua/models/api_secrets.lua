--- What of a configuration is sealed before it is stored: its keys, and the
--- values of its own headers. Bound to user and row, and opened only to be sent
--- to the provider; a reader sees masks.

local crypto = require "tide.crypto"
local errors = require "lib.errors"
local json = require "tide.json"
local texts = require "lib.texts"

local M = {}

--- Shorter keys show nothing: four characters would be too much of them.
local MASK_MIN = 12

--- The most keys of a configuration besides the first.
M.MORE_KEYS_MAX = 15

--- The most headers of its own.
M.HEADERS_MAX = 16

--- Bytes of a header's value.
local VALUE_MAX = 4096

--- The mask that stands for a key in answers. The column api_key_mask has it
--- whole, because nothing opens a sealed key just to show it.
---@param key string
---@return string
function M.mask(key)
  local prefix = key:sub(1, 3) == "sk-" and "sk-" or ""
  if #key < MASK_MIN then
    return prefix .. "…"
  end
  return prefix .. "…" .. key:sub(-4)
end

---@param user_id integer
---@param salt string the row's seal_salt
---@return string what a sealed key is bound to
local function binding(user_id, salt)
  return "user:" .. user_id .. ":api:" .. salt
end

---@param field string
---@param reason string a key of lib/texts
---@param language "zh"|"en"
---@return nil, tide.Error
local function invalid(field, reason, language)
  return nil,
    errors.new("invalid_field", {
      field = field,
      reason = texts.get(language, reason),
    })
end

--- Keys go into a header: visible ASCII only (RFC 9110, 5.5). So a line break
--- that was copied with a key is refused here, not by the provider.
---@param key string
---@param language "zh"|"en"
---@param field? string default "api_key"
---@return true|nil ok, tide.Error|nil err invalid_field
function M.check_key(key, language, field)
  if key:find("^[\x21-\x7e]+$") then
    return true
  end
  return invalid(field or "api_key", "bad_form", language)
end

---@param plain string
---@param user_id integer
---@param salt string
---@return string sealed
function M.seal(plain, user_id, salt)
  return crypto.seal(plain, binding(user_id, salt))
end

--- The further keys of a configuration, sealed.
---@param keys string[]
---@param user_id integer
---@param salt string
---@return string column more_keys
function M.seal_keys(keys, user_id, salt)
  local sealed = json.array({})
  for i, key in ipairs(keys) do
    sealed[i] = M.seal(key, user_id, salt)
  end
  return json.encode(sealed)
end

---@param row table of user_apis
---@return integer keys that the configuration has
function M.count_keys(row)
  local more = json.decode(row.more_keys or "[]")
  return #more + (row.api_key_mask ~= "" and 1 or 0)
end

--- The keys of a configuration, to be sent to its provider.
---@param row table of user_apis
---@return tide.Secret[]|nil keys perhaps none
---@return tide.Error|nil err secret_unreadable
function M.open_keys(row)
  local bound = binding(row.user_id, row.seal_salt)
  local sealed = {}
  if row.api_key_mask ~= "" then
    sealed[1] = row.api_key_sealed
  end
  if row.more_keys and row.more_keys ~= "[]" then
    local more = json.decode(row.more_keys)
    table.move(more, 1, #more, #sealed + 1, sealed)
  end
  local keys = {}
  for i, one in ipairs(sealed) do
    local key, unreadable = crypto.unseal(one, bound)
    if not key then
      return nil, unreadable
    end
    keys[i] = key
  end
  return keys
end

--- Headers that frame a request or concern one connection, and those of proxies
--- (RFC 9110, 7.6.1): nobody's to set.
local NEVER = {
  host = true,
  connection = true,
  ["content-length"] = true,
  ["transfer-encoding"] = true,
  ["keep-alive"] = true,
  te = true,
  trailer = true,
  upgrade = true,
  expect = true,
  ["proxy-authorization"] = true,
  ["proxy-authenticate"] = true,
  ["proxy-connection"] = true,
}

--- Headers that the server sends itself, with the key or about the body.
local SENT = {
  authorization = true,
  ["x-api-key"] = true,
  ["api-key"] = true,
  ["x-goog-api-key"] = true,
  ["content-type"] = true,
  ["content-encoding"] = true,
  accept = true,
  ["accept-encoding"] = true,
}

--- Whether a configuration may send a header.
---@param name string
---@param value any
---@param replaces boolean also those that the server sends itself
---@param language "zh"|"en"
---@return true|nil ok, tide.Error|nil err invalid_field
local function check_header(name, value, replaces, language)
  local field = "headers." .. name
  if type(value) ~= "string" then
    return invalid(field, "must_be_string", language)
  elseif not name:find("^[%w!#$&'*+.^_`|~-]+$") or #name > 100 then
    return invalid("headers", "bad_form", language)
  elseif NEVER[name:lower()] then
    return invalid(field, "set_elsewhere", language)
  elseif SENT[name:lower()] and not replaces then
    return invalid(field, "key_header", language)
  elseif not value:find("^[\x20-\x7e]+$") or #value > VALUE_MAX then
    return invalid(field, "bad_form", language)
  end
  return true
end

---@param headers table<string, any>
---@param row table|nil the configuration as it is: its masks stand for values
---@param replaces boolean
---@param language "zh"|"en"
---@return true|nil ok, tide.Error|nil err invalid_field
function M.check_headers(headers, row, replaces, language)
  local count = 0
  local seen = {}
  local masks = row and M.masked_headers(row) or {}
  for name, value in pairs(headers) do
    local ok, refused = true, nil
    if masks[name] ~= value then
      ok, refused = check_header(name, value, replaces, language)
    end
    if not ok then
      return nil, refused
    elseif seen[name:lower()] then
      return invalid("headers." .. name, "given_twice", language)
    end
    seen[name:lower()] = true
    count = count + 1
  end
  if count > M.HEADERS_MAX then
    return nil,
      errors.new("invalid_field", {
        field = "headers",
        reason = texts.get(language, "too_many", { limit = M.HEADERS_MAX }),
      })
  end
  return true
end

---@class SealedHeader
---@field name string
---@field sealed string its value
---@field mask string

---@param row table|nil of user_apis
---@return SealedHeader[]
local function stored_headers(row)
  return row and row.headers and json.decode(row.headers) or {}
end

--- The headers of a configuration, sealed. A page that loads them and sends
--- them back sends masks: those values stay.
---@param headers table<string, string> checked
---@param row table|nil the configuration as it is; nil = a new one
---@param user_id integer
---@param salt string
---@return string column headers
function M.seal_headers(headers, row, user_id, salt)
  local before = {}
  for _, header in ipairs(stored_headers(row)) do
    before[header.name] = header
  end
  local sealed = json.array({})
  for name, value in pairs(headers) do
    local old = before[name]
    sealed[#sealed + 1] = old and old.mask == value and old
      or {
        name = name,
        sealed = M.seal(value, user_id, salt),
        mask = M.mask(value),
      }
  end
  table.sort(sealed, function(a, b)
    return a.name < b.name
  end)
  return json.encode(sealed)
end

--- The headers of a configuration as answers show them.
---@param row table of user_apis
---@return table<string, string> name -> mask
function M.masked_headers(row)
  local masks = {}
  for _, header in ipairs(stored_headers(row)) do
    masks[header.name] = header.mask
  end
  return masks
end

--- The headers of a configuration, to be sent to its provider.
---@param row table of user_apis
---@return table<string, tide.Secret>|nil headers nil without an error = none
---@return tide.Error|nil err secret_unreadable
function M.open_headers(row)
  if not row.headers or row.headers == "[]" then
    return nil
  end
  local headers = {}
  for _, header in ipairs(json.decode(row.headers)) do
    local value, unreadable =
      crypto.unseal(header.sealed, binding(row.user_id, row.seal_salt))
    if not value then
      return nil, unreadable
    end
    headers[header.name] = value
  end
  return headers
end

return M
