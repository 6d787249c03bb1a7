--- Who is asking: the only place that reads credentials. A Bearer token; only
--- when there is no Authorization header at all x-api-key, and without that the
--- cookie; a personal API key where the route accepts them. The credential says
--- which user; all else (role, disabled, what still holds) comes from the
--- database with every request, so that a logout, a password change, a deleted
--- key or a new role is in force at once, on every worker.

local config = require "tide.config"
local crypto = require "tide.crypto"
local csrf = require "web.csrf"
local db = require "tide.db"
local errors = require "lib.errors"
local key_format = require "policy.api_key"
local time = require "tide.time"

local M = {}

--- The cookie's name; core/serve/credentials.c reads the cookie by it.
M.COOKIE = "access_token"

-- RFC 9110, 9.2.1
local SAFE = { GET = true, HEAD = true, OPTIONS = true, TRACE = true }

local SQL_USER = [[
SELECT id, username, email, role, token_version, created_at
FROM users
WHERE id = ?1 AND disabled = 0
  AND (token_version = ?2
    OR (surviving_version = token_version AND surviving_jti = ?3))
  AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = ?3)]]

--- How old the stored time of a key's last use may become: so there is at most
--- one write per minute, not one per request.
local USE_NOTED_US = 60 * 1000000

local SQL_KEY = [[
SELECT users.id, username, email, role, token_version, users.created_at,
  api_keys.id AS key_id, last_used_at
FROM api_keys JOIN users ON users.id = api_keys.user_id
WHERE key_hash = ? AND disabled = 0]]

local SQL_NOTE_USE = [[
UPDATE api_keys SET last_used_at = ?1
WHERE id = ?2 AND (last_used_at IS NULL OR last_used_at < ?1)]]

--- The address of our own page. Without public_url it is the one that the
--- client used.
---@param req tide.Request
---@return string
local function own_address(req)
  local public_url = config.get("public_url")
  if public_url and public_url ~= "" then
    return public_url
  end
  local scheme = req.secure and "https://" or "http://"
  return scheme .. (req:header("Host") or "")
end

--- Whether another site made a browser send this request with our cookie.
---@param req tide.Request
---@return boolean forged
local function is_forged(req)
  if SAFE[req.method] or req.from_listed_origin then
    return false
  end
  local origin = req:header("Origin")
  local site = req:header("Sec-Fetch-Site")
  return (origin or site) ~= nil
    and csrf.is_foreign(origin, site, own_address(req))
end

---@param noted string|nil time of a key's last use
---@return boolean
local function is_old(noted)
  return not noted
    or noted <= time.format(time.unix() * 1000000 - USE_NOTED_US)
end

---@return tide.Error
local function no_key()
  return errors.new("invalid_api_key", { head = key_format.HEAD })
end

--- The user behind a personal API key.
---@param key string
---@return tide.User|nil user, tide.Error|nil err invalid_api_key
local function key_owner(key)
  if not key_format.is_whole(key, crypto.sha256) then
    return nil, no_key()
  end
  local user, err = db.one(SQL_KEY, { crypto.sha256(key) })
  if not user then
    return nil, err or no_key()
  end
  if is_old(user.last_used_at) then
    -- A time that could not be noted is no reason to refuse anybody.
    db.write({ { SQL_NOTE_USE, { time.now(), user.key_id } } })
  end
  return user
end

--- The user who sent a request. What a foreign site made a browser send with
--- our cookie is refused.
---@param req tide.Request
---@param accepts_keys boolean|nil whether the route takes personal API keys
---@return tide.User|nil user
---@return tide.Error|nil err csrf, unauthorized, invalid_token, token_expired,
--- invalid_api_key, api_key_not_accepted
function M.authenticate(req, accepts_keys)
  local token, from_cookie = req:credentials()
  if not token then
    return nil, errors.new("unauthorized")
  end
  if from_cookie and is_forged(req) then
    return nil, errors.new("csrf", { address = own_address(req) })
  end
  if not from_cookie and key_format.looks_like(token) then
    if not accepts_keys then
      return nil, errors.new("api_key_not_accepted")
    end
    return key_owner(token)
  end
  if accepts_keys and not from_cookie and not token:find(".", 1, true) then
    -- No token of ours either (RFC 7519: three parts with dots between them).
    -- Who uses an SDK wants to read about keys, not about logins.
    return nil, no_key()
  end
  local claims, refused = crypto.token_verify(token)
  if not claims then
    -- Our own error instead of the core's: it carries WWW-Authenticate.
    return nil, errors.new(refused.code)
  end
  local user, err = db.one(SQL_USER, { claims.sub, claims.ver, claims.jti })
  if err then
    return nil, err
  elseif not user then
    return nil, errors.new("invalid_token")
  end
  user.claims = claims
  return user
end

return M
