--- Personal API keys: random, shown once, stored only as a hash. They work at
--- routes that say so (`api_keys = true`), which are those of the OpenAI API:
--- other programs have it in their configurations, and a key that leaks there
--- must not read the history, change the password or make more keys.

local crypto = require "tide.crypto"
local db = require "tide.db"
local errors = require "lib.errors"
local key_format = require "policy.api_key"
local time = require "tide.time"

local M = {}

--- The most keys that a user may have.
local KEYS_MAX = 100

local COLUMNS = "id, name, prefix, created_at, last_used_at"

-- The number is checked in the statement that inserts, so that requests at
-- the same moment cannot exceed it together.
local SQL_INSERT = [[
INSERT INTO api_keys (user_id, name, prefix, key_hash, created_at)
SELECT ?1, ?2, ?3, ?4, ?5
WHERE (SELECT COUNT(*) FROM api_keys WHERE user_id = ?1) < ?6]]

--- Makes a key.
---@param user_id integer
---@param name string
---@return table|nil row of api_keys, with `key`: the only time that it is there
---@return tide.Error|nil err too_many_keys
function M.create_key(user_id, name)
  local key = key_format.make(crypto.random_hex_digits(64), crypto.sha256)
  local row = {
    key = key,
    name = name,
    prefix = key_format.prefix(key),
    created_at = time.now(),
  }
  local outcomes, err = db.write({
    {
      SQL_INSERT,
      {
        user_id,
        row.name,
        row.prefix,
        crypto.sha256(key),
        row.created_at,
        KEYS_MAX,
      },
      expect = 1,
    },
  })
  if not outcomes then
    local full = err.code == "unexpected_changes"
    return nil, full and errors.new("too_many_keys", { limit = KEYS_MAX })
      or err
  end
  row.id = outcomes[1].id
  return row
end

---@param user_id integer
---@return table[]|nil rows newest first, tide.Error|nil err
function M.get_keys(user_id)
  return db.query(
    "SELECT " .. COLUMNS .. " FROM api_keys WHERE user_id = ? "
      .. "ORDER BY id DESC",
    { user_id }
  )
end

--- Ends a key at once: every request asks the database for it.
---@param user_id integer
---@param id integer
---@return true|nil ok, tide.Error|nil err key_not_found
function M.delete_key(user_id, id)
  local outcomes, err = db.write({
    {
      "DELETE FROM api_keys WHERE user_id = ? AND id = ?",
      { user_id, id },
      expect = 1,
    },
  }, { use_reserve = true })
  if not outcomes then
    local unknown = err.code == "unexpected_changes"
    return nil, unknown and errors.new("key_not_found") or err
  end
  return true
end

return M
