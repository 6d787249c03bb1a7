--- Accounts: users and their passwords.

local crypto = require "tide.crypto"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local time = require "tide.time"

local M = {}

local COLUMNS = "id, username, email, role, disabled, token_version, "
  .. "created_at"

--- The user whose column has a value.
---@param column "id"|"username"
---@param value integer|string
---@return table|nil user, tide.Error|nil err user_not_found
local function find(column, value)
  local row, err = db.one(
    ("SELECT %s FROM users WHERE %s = ?"):format(COLUMNS, column),
    { value }
  )
  if not row then
    return nil, err or errors.new("user_not_found")
  end
  return row
end

---@param username string
---@return table|nil user, tide.Error|nil err user_not_found
function M.get_user_by_name(username)
  return find("username", username)
end

---@param id integer
---@return table|nil user, tide.Error|nil err user_not_found
function M.get_user(id)
  return find("id", id)
end

---@class NewUser
---@field username string
---@field password string
---@field email? string
---@field role? "user"|"admin"

---@param spec NewUser
---@return table|nil user, tide.Error|nil err username_taken
function M.create_user(spec)
  -- Asked before the hash is made: a taken name must not cost Argon2's time.
  -- Two at the same moment are told apart by the column's UNIQUE.
  local taken = errors.new("username_taken", { username = spec.username })
  local there, failed =
    db.one("SELECT 1 AS found FROM users WHERE username = ?", {
      spec.username,
    })
  if there or failed then
    return nil, failed or taken
  end
  local hash, busy = crypto.password_hash(spec.password)
  if not hash then
    return nil, busy
  end
  local user = {
    username = spec.username,
    email = spec.email or "",
    role = spec.role or "user",
    disabled = 0,
    token_version = 1,
    created_at = time.now(),
  }
  local outcomes, err = db.write({
    {
      "INSERT INTO users (username, email, password_hash, role, "
        .. "token_version, created_at, updated_at) "
        .. "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {
        user.username,
        user.email,
        hash,
        user.role,
        user.token_version,
        user.created_at,
        user.created_at,
      },
    },
  })
  if not outcomes then
    return nil, err.code == "duplicate" and taken or err
  end
  user.id = outcomes[1].id
  return user
end

--- The user with this name and password. An unknown name costs the same time
--- as a wrong password and gives the same error.
---@param username string
---@param password string
---@param known? boolean somebody has logged in to it from there before
---@return table|nil user
---@return tide.Error|nil err invalid_credentials, account_disabled, busy
function M.log_in(username, password, known)
  local row, failed = db.one(
    "SELECT " .. COLUMNS .. ", password_hash FROM users WHERE username = ?",
    { username }
  )
  if failed then
    return nil, failed
  end
  local ok, err =
    crypto.password_verify(row and row.password_hash, password, known)
  if err then
    return nil, err
  elseif not (ok and row) then
    return nil, errors.new("invalid_credentials")
  elseif row.disabled ~= 0 then
    return nil, errors.new("account_disabled")
  end
  return row
end

--- Changes the caller's password. Every token of the user ends except the one
--- of this request, which does not change, so its client stays logged in.
---@param user tide.User with the claims of its token
---@param old_password string
---@param new_password string
---@return true|nil ok
---@return tide.Error|nil err wrong_password, conflict, busy
function M.change_password(user, old_password, new_password)
  local row, failed =
    db.one("SELECT password_hash FROM users WHERE id = ?", { user.id })
  if failed then
    return nil, failed
  end
  local ok, unverified =
    crypto.password_verify(row and row.password_hash, old_password)
  if unverified then
    return nil, unverified
  elseif not ok then
    return nil, errors.new("wrong_password")
  end
  local hash, busy = crypto.password_hash(new_password)
  if not hash then
    return nil, busy
  end
  -- The version was read with the token: of two changes at once one wins.
  local outcomes, err = db.write({
    {
      "UPDATE users SET password_hash = ?, token_version = token_version + 1,"
        .. " surviving_version = token_version + 1, surviving_jti = ?,"
        .. " version = version + 1, updated_at = ? "
        .. "WHERE id = ? AND token_version = ?",
      { hash, user.claims.jti, time.now(), user.id, user.token_version },
      expect = 1,
    },
  }, { use_reserve = true })
  if not outcomes then
    local raced = err.code == "unexpected_changes"
    return nil, raced and errors.new("conflict") or err
  end
  return true
end

--- One page of all users, for the operator.
---@param limit integer
---@param offset integer
---@return table[]|nil users, integer|tide.Error total
function M.list_users(limit, offset)
  local rows, err = db.query(
    "SELECT " .. COLUMNS .. " FROM users ORDER BY id LIMIT ? OFFSET ?",
    { limit, offset }
  )
  if not rows then
    return nil, err
  end
  local total, failed = db.one("SELECT COUNT(*) AS n FROM users")
  if not total then
    return nil, failed
  end
  return rows, total.n
end

---@class UserChange
---@field password? string
---@field disabled? boolean

--- The operator changes an account; every token of the user ends, so that an
--- account that is enabled again does not bring old logins back.
---@param username string
---@param change UserChange absent fields stay as they are
---@return table|nil user, tide.Error|nil err user_not_found, busy
function M.update_user(username, change)
  local hash
  if change.password then
    local busy
    hash, busy = crypto.password_hash(change.password)
    if not hash then
      return nil, busy
    end
  end
  local disabled
  if change.disabled ~= nil then
    disabled = change.disabled and 1 or 0
  end
  local outcomes, err = db.write({
    {
      "UPDATE users SET password_hash = COALESCE(?, password_hash), "
        .. "disabled = COALESCE(?, disabled), "
        .. "token_version = token_version + 1, version = version + 1, "
        .. "updated_at = ? WHERE username = ?",
      { hash or json.null, disabled or json.null, time.now(), username },
      expect = 1,
    },
  }, { use_reserve = true })
  if not outcomes then
    local unknown = err.code == "unexpected_changes"
    return nil, unknown and errors.new("user_not_found") or err
  end
  return M.get_user_by_name(username)
end

return M
