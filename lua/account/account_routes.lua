--- Accounts: register, log in and out, who am I, change the password.

local body_limits = require "web.body_limits"
local account_objects = require "account.objects"
local config = require "tide.config"
local errors = require "lib.errors"
local fields = require "web.fields"
local hooks = require "hooks"
local login_throttle = require "account.login_throttle"
local objects = require "web.objects"
local texts = require "lib.texts"
local tokens = require "account.tokens"
local users = require "account.users"

local MESSAGE = objects.object({ message = "string" })
local LOGGED_IN = objects.object({
  message = "string",
  token = "string",
  user = account_objects.user_schema,
})

--- The answer that logs a user in, if no hook refuses: the token, also as
--- cookie.
---@param req tide.Request
---@param user table
---@param message string key of lib/texts
---@return tide.Response|nil response, tide.Error|nil err those of hooks
local function logged_in(req, user, message)
  if hooks.on_login then
    local _, refusal = hooks.on_login(account_objects.account(user), req)
    if refusal then
      return nil, refusal
    end
  end
  local token = tokens.issue(user)
  return {
    cookies = tokens.cookies(token),
    json = {
      message = texts.get(req.language, message),
      token = token,
      user = account_objects.user(user),
    },
  }
end

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.register(req)
  if not config.get("registration") then
    return nil, errors.new("registration_closed")
  end
  local user, err = login_throttle.register(req, function()
    return users.create_user({
      username = req.body.username,
      password = req.body.password,
      email = req.body.email,
    })
  end)
  if not user then
    return nil, err
  end
  return logged_in(req, user, "registered")
end

function handlers.log_in(req)
  local name = req.body.username
  local user, err = login_throttle.log_in(
    req,
    name,
    "invalid_credentials",
    function(known)
      return users.log_in(name, req.body.password, known)
    end
  )
  if not user then
    return nil, err
  end
  return logged_in(req, user, "logged_in")
end

function handlers.log_out(req)
  local ok, err = tokens.revoke(req.user.id, req.user.claims)
  if not ok then
    return nil, err
  end
  return {
    cookies = tokens.no_cookies(),
    json = { message = texts.get(req.language, "logged_out") },
  }
end

function handlers.profile(req)
  return { json = account_objects.user(req.user) }
end

function handlers.me(req)
  return {
    json = {
      user_id = req.user.id,
      username = req.user.username,
      role = req.user.role,
    },
  }
end

function handlers.update_password(req)
  local user = req.user
  local ok, err = login_throttle.log_in(
    req,
    user.username,
    "wrong_password",
    function()
      return users.change_password(
        user,
        req.body.old_password,
        req.body.new_password
      )
    end
  )
  if not ok then
    return nil, err
  end
  -- The cookie is set again because it may be of another login, ended by now.
  local token = req:credentials()
  return {
    cookies = tokens.cookies(token, user.claims),
    json = {
      message = texts.get(req.language, "password_changed"),
      token = token,
    },
  }
end

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/api/register",
    auth = "none",
    summary = "Create an account and log in",
    body_max = body_limits.SHORT,
    request = {
      fields = {
        fields.username(),
        fields.new_password("password", true),
        fields.email(),
      },
    },
    response = LOGGED_IN,
    handler = handlers.register,
  },
  {
    method = "POST",
    path = "/api/login",
    auth = "none",
    summary = "Log in",
    -- No lengths here: a wrong one is a wrong name or password, 401.
    body_max = body_limits.SHORT,
    request = {
      fields = {
        { name = "username", type = "string", required = true },
        { name = "password", type = "string", required = true },
      },
    },
    response = LOGGED_IN,
    handler = handlers.log_in,
  },
  {
    method = "POST",
    path = "/api/logout",
    auth = "user",
    summary = "Log out: end this token at once",
    body_max = body_limits.SHORT,
    request = { fields = {} },
    response = MESSAGE,
    handler = handlers.log_out,
  },
  {
    method = "GET",
    path = "/api/profile",
    auth = "user",
    summary = "The caller's account",
    response = account_objects.user_schema,
    handler = handlers.profile,
  },
  {
    method = "GET",
    path = "/api/me",
    auth = "user",
    summary = "The user that the token belongs to",
    response = objects.object({
      user_id = "integer",
      username = "string",
      role = "string",
    }),
    handler = handlers.me,
  },
  {
    method = "POST",
    path = "/api/update-password",
    auth = "user",
    summary = "Change the password; all other logins end",
    body_max = body_limits.SHORT,
    request = {
      fields = {
        { name = "old_password", type = "string", required = true },
        fields.new_password("new_password", true),
      },
    },
    response = objects.object({ message = "string", token = "string" }),
    handler = handlers.update_password,
  },
}
