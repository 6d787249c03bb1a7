--- Who is asking: the only place that reads credentials. A Bearer token, and
--- only when there is no Authorization header at all the cookie. The token
--- says which user; everything else (role, disabled, which tokens still hold)
--- comes from the database with every request, so that a logout, a password
--- change or a new role is in force at once, on every worker.

local config = require "tide.config"
local crypto = require "tide.crypto"
local csrf = require "lib.csrf"
local db = require "tide.db"
local errors = require "lib.errors"

local M = {}

--- The cookie's name (contract, section 1).
M.COOKIE = "access_token"

---@class tide.User what handlers find in req.user
---@field id integer
---@field username string
---@field email string
---@field role "user"|"admin"
---@field token_version integer
---@field created_at string
---@field claims tide.Claims of the token that was used

-- RFC 9110, 9.2.1
local SAFE = { GET = true, HEAD = true, OPTIONS = true, TRACE = true }

local SQL_USER = [[
SELECT id, username, email, role, token_version, created_at
FROM users
WHERE id = ? AND token_version = ? AND disabled = 0
  AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = ?)]]

---@param req tide.Request
---@return string|nil token, boolean from_cookie
local function token_of(req)
  local header = req:header("Authorization")
  if header then
    -- RFC 9110, 11.1: the scheme's case does not matter.
    return header:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+) *$"), false
  end
  local cookie = req:cookie(M.COOKIE)
  if cookie == "" then
    cookie = nil
  end
  return cookie, cookie ~= nil
end

--- The origins of our own pages.
---@param req tide.Request
---@return string[]
local function own_origins(req)
  local allowed = {}
  for i, origin in ipairs(config.get("cors.origins") or {}) do
    allowed[i] = origin
  end
  local public_url = config.get("public_url")
  if public_url and public_url ~= "" then
    allowed[#allowed + 1] = public_url
  else
    -- Nobody told the server its address: then it is the one it was asked by.
    local scheme = req.secure and "https://" or "http://"
    allowed[#allowed + 1] = scheme .. (req:header("Host") or "")
  end
  return allowed
end

--- Refuses what another site made a browser send with our cookie.
---@param req tide.Request
---@return true|nil ok, tide.Error|nil err csrf
function M.check_site(req)
  local _, from_cookie = token_of(req)
  if not from_cookie or SAFE[req.method] then
    return true
  end
  local origin = req:header("Origin")
  local site = req:header("Sec-Fetch-Site")
  if (origin or site) and csrf.is_foreign(origin, site, own_origins(req)) then
    return nil, errors.new("csrf")
  end
  return true
end

--- The user behind a request.
---@param req tide.Request
---@return tide.User|nil user
---@return tide.Error|nil err unauthorized, invalid_token, token_expired
function M.authenticate(req)
  local token = token_of(req)
  if not token then
    return nil, errors.new("unauthorized")
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
