--- Login tokens: made, set as cookie, revoked. Reading them is web/auth's.

local auth = require "web.auth"
local config = require "tide.config"
local crypto = require "tide.crypto"
local db = require "tide.db"
local time = require "tide.time"

local M = {}

---@return integer seconds that a token holds
local function lifetime()
  return config.get("token.ttl") // 1000
end

--- A new token of a user.
---@param user {id: integer, username: string, role: string,
--- token_version: integer}
---@return string token
function M.issue(user)
  local now = time.unix()
  return crypto.token_sign({
    sub = user.id,
    ver = user.token_version,
    username = user.username,
    role = user.role,
    jti = crypto.random_hex_digits(32),
    iat = now,
    exp = now + lifetime(),
  })
end

--- The cookies of an answer that give the browser a token.
---@param token string
---@param claims? tide.Claims of a token that was made before; nil: just now
---@return table<string, tide.Cookie>
function M.cookies(token, claims)
  local max_age = claims and claims.exp - time.unix() or lifetime()
  return { [auth.COOKIE] = { value = token, max_age = math.max(max_age, 0) } }
end

--- Those that take it away.
---@return table<string, false>
function M.no_cookies()
  return { [auth.COOKIE] = false }
end

--- Ends a token before its time. Revocations of tokens that have expired by
--- now (anybody's) mean nothing any more and are swept in the same job.
---@param user_id integer
---@param claims tide.Claims
---@return true|nil ok, tide.Error|nil err
function M.revoke(user_id, claims)
  local outcomes, err = db.write({
    {
      "INSERT INTO revoked_tokens (jti, user_id, expires_at) "
        .. "VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      { claims.jti, user_id, claims.exp },
    },
    { "DELETE FROM revoked_tokens WHERE expires_at < ?", { time.unix() } },
  }, { use_reserve = true })
  if not outcomes then
    return nil, err
  end
  return true
end

return M
