--- tide.users: see types/users.lua.

local account_objects = require "account.objects"
local arguments = require "lib.arguments"
local objects = require "web.objects"
local users = require "account.users"

local M = {}

local LIST_MAX = 100

local check, check_one = arguments.check, arguments.check_one

---@param row table|nil
---@param err tide.Error|nil
---@return tide.Account|nil user, tide.Error|nil err
local function present(row, err)
  return row and account_objects.account(row), err
end

function M.get(user)
  check_one("users.get", "user", user, "integer")
  return present(users.get_user(user))
end

function M.find(username)
  check_one("users.find", "username", username, "string")
  return present(users.get_user_by_name(username))
end

local LIST = { limit = "integer?", offset = "integer?" }

function M.list(page)
  check("users.list", page or {}, LIST)
  page = page or {}
  local rows, total = users.list_users(
    math.max(1, math.min(page.limit or LIST_MAX, LIST_MAX)),
    math.max(page.offset or 0, 0)
  )
  if not rows then
    return nil, total
  end
  return objects.map(rows, account_objects.account), total
end

return M
