--- What happens with every request, in this order: cross-site check, who is
--- it, may they, does another node answer it (web/relay), hooks, is the body
--- JSON, does it fit the route's schema, handler, hooks again. A handler finds
--- req.user and, checked, req.params, req.query (both in one table: req.args),
--- req.body, req.form, and req.upload of an upload. It returns a response or
--- nil, err.

local auth = require "web.auth"
local errors = require "lib.errors"
local hooks = require "hooks"
local idempotency = require "web.idempotency"
local json = require "tide.json"
local relay = require "web.relay"
local schema = require "web.schema"

local M = {}

local is_shared = relay.is_shared

--- How often a turn is tried that another node was quicker with.
local TRIES = 5

---@param req tide.Request
---@param route tide.Route whose `auth` is not "none"
---@return tide.User|nil user, tide.Error|nil err
local function admit(req, route)
  local user = is_shared and req.caller
  if not user then
    local err
    user, err = auth.authenticate(req, route.api_keys)
    if not user then
      return nil, err
    end
  end
  if route.auth == "admin" and user.role ~= "admin" then
    return nil, errors.new("forbidden")
  end
  return user
end

--- Path parameters and query arguments, checked: each in its place, and in one
--- table, where parameters win.
---@param route tide.Route
---@param req tide.Request
---@return table|nil args, tide.Error|nil err missing_field, invalid_field
local function arguments(route, req)
  local args = {}
  if route.query then
    local checked, err = schema.read_query(route.query, req)
    if not checked then
      return nil, err
    end
    args = checked
    local query = req.query -- as it came; hooks look for what is not declared
    for _, field in ipairs(route.query.fields) do
      query[field.name] = checked[field.name]
    end
  end
  if route.params then
    local err
    req.params, err =
      schema.check_texts(route.params, req.params, req.language)
    if err then
      return nil, err
    end
    for name, value in pairs(req.params) do
      args[name] = value
    end
  end
  return args
end

---@param route tide.Route
---@param req tide.Request
---@param user tide.User|nil who is admitted already
---@return tide.Response|nil response, tide.Error|nil err
local function answer(route, req, user)
  local response, err
  if route.auth ~= "none" then
    if not user then
      user, err = admit(req, route)
    end
    req.user = user
    if err then
      return nil, err
    end
  end
  if hooks.on_request then
    response, err = hooks.on_request(req, route)
    if response or err then
      return response, err
    end
  end
  req.args, err = arguments(route, req)
  if err then
    return nil, err
  end
  if route.request then
    req.body, err = schema.read(route.request, req)
    if err then
      return nil, err
    end
  end
  if route.form then
    req.form, err = schema.read_form(route.form, req)
    if err then
      return nil, err
    end
  end
  if route.idempotent == true and req:header(idempotency.HEADER) then
    return idempotency.run(req, route.handler)
  end
  return route.handler(req)
end

--- Lists that the core has written (db.json) become tables again: hooks see
--- plain tables only.
---@param response tide.Response|nil changed
local function open_lists(response)
  local members = response and response.json
  if json.is_raw(members) then
    response.json = json.decode(members)
  elseif type(members) == "table" then
    for name, value in pairs(members) do
      if json.is_raw(value) then
        members[name] = json.decode(value)
      end
    end
  end
end

--- Answers one request, here.
---@param route tide.Route
---@param req tide.Request
---@param user tide.User|nil who is admitted already
---@return tide.Response|nil response, tide.Error|nil err
local function answer_here(route, req, user)
  if not hooks.on_response then
    return answer(route, req, user)
  end
  local response, err = answer(route, req, user)
  open_lists(response)
  return hooks.on_response(req, route, response, err)
end

--- Answers a request where there are other nodes. Hooks run on the node that
--- answers, and only there; again, if another node has begun a turn in the
--- session since the owner was looked up.
---@async
---@param route tide.Route
---@param req tide.Request
---@return tide.Response|nil response, tide.Error|nil err
local function answer_as_owner(route, req)
  if not route.owner or req.method == "HEAD" then
    return answer_here(route, req)
  end
  req.routed = true
  if req.caller then
    relay.set_key(req)
  end
  local user = admit(req, route)
  local response, err
  for _ = 1, TRIES do
    if user and not req.caller then
      req.user = user
      response, err = relay.answer(req, route)
      if response or err then
        return response, err
      end
    end
    response, err = answer_here(route, req, user)
    if not err or err.code ~= "turn_taken" then
      return response, err
    elseif req.caller then
      return nil, errors.new("not_owner")
    end
  end
  return nil, err
end

--- The same, also when scripts have changed on all nodes meanwhile.
---@async
---@param route tide.Route
---@param req tide.Request
---@return tide.Response|nil response, tide.Error|nil err
local function answer_as_node(route, req)
  local response, err = answer_as_owner(route, req)
  if not err or err.code ~= "scripts_outdated" then
    return response, err
  elseif req.caller then
    return nil, errors.new("not_owner")
  end
  if not req.user then
    return nil, err
  end
  return relay.answer(req, route, err)
end

--- Answers one request, by its route; what a handler returns.
M.run = is_shared and answer_as_node or answer_here

return M
