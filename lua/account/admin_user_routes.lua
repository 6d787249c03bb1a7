--- Accounts for the operator, on the admin listener: a socket that only the
--- server's own user can open (mode 0600), hence without a token. The command
--- `tidetalk user` speaks to these routes while a server runs.

local body_limits = require "web.body_limits"
local account_objects = require "account.objects"
local errors = require "lib.errors"
local fields = require "web.fields"
local login_throttle = require "account.login_throttle"
local objects = require "web.objects"
local pages = require "web.pages"
local texts = require "lib.texts"
local users = require "account.users"

---@type table<string, fun(req: tide.Request)>
local handlers = {}

--- The answer of a route that makes or changes an account.
---@param req tide.Request
---@param message "user_created"|"user_updated"
---@param user table a row
---@return tide.Response
local function changed(req, message, user)
  return {
    json = {
      message = texts.get(req.language, message),
      user = account_objects.account(user),
    },
  }
end

function handlers.create(req)
  local user, err = users.create_user(req.body)
  if not user then
    return nil, err
  end
  return changed(req, "user_created", user)
end

function handlers.list(req)
  local args = req.args
  local rows, total = users.list_users(args.page_size, pages.offset(args))
  if not rows then
    return nil, total
  end
  local data = objects.map(rows, account_objects.account)
  return {
    json = { data = data, pagination = pages.pagination(args, total) },
  }
end

function handlers.update(req)
  local change = req.body
  if change.password == nil and change.disabled == nil then
    return nil, errors.new("missing_field", { field = "password" })
  end
  local user, err = users.update_user(req.args.username, change)
  if not user then
    return nil, err
  end
  return changed(req, "user_updated", user)
end

function handlers.unlock(req)
  local user, unknown = users.get_user_by_name(req.args.username)
  if not user then
    return nil, unknown
  end
  local ok, err = login_throttle.unlock(user.username)
  if not ok then
    return nil, err
  end
  return changed(req, "user_updated", user)
end

local CHANGED = objects.object({
  message = "string",
  user = account_objects.account_schema,
})

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/admin/users",
    listener = "admin",
    auth = "none",
    summary = "Create an account",
    body_max = body_limits.SHORT,
    request = {
      fields = {
        fields.username(),
        fields.new_password("password", true),
        fields.email(),
        { name = "role", type = "string", enum = { "user", "admin" } },
      },
    },
    response = CHANGED,
    handler = handlers.create,
  },
  {
    method = "GET",
    path = "/admin/users",
    listener = "admin",
    auth = "none",
    summary = "All accounts",
    query = pages.numbered(1000, 1000),
    response = objects.object({
      data = objects.list(account_objects.account_schema),
      pagination = pages.pagination_schema,
    }),
    handler = handlers.list,
  },
  {
    method = "PATCH",
    path = "/admin/users/:username",
    listener = "admin",
    auth = "none",
    summary = "Set a password, disable or enable an account; its logins end",
    params = { fields = { fields.name("username") } },
    body_max = body_limits.SHORT,
    request = {
      fields = {
        fields.new_password("password", false),
        { name = "disabled", type = "boolean" },
      },
    },
    response = CHANGED,
    handler = handlers.update,
  },
  {
    method = "POST",
    path = "/admin/users/:username/unlock",
    listener = "admin",
    auth = "none",
    summary = "Forget an account's failed logins: it may log in at once",
    params = { fields = { fields.name("username") } },
    body_max = body_limits.SHORT,
    request = { fields = {} },
    response = CHANGED,
    handler = handlers.unlock,
  },
}
