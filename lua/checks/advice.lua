--- What is allowed and yet most likely a mistake: names that nobody uses, files
--- that nobody names. `tidetalk check` prints it as warnings; a server starts
--- all the same.

local aliases = require "aliases"
local contracts = require "checks.contracts"
local hooks = require "hooks"
local hooks_of = require "lib.hooks"
local registry = require "providers.registry"
local route_files = require "checks.route_files"
local schema_check = require "checks.schema_check"
local scripts = require "tide.scripts"

local M = {}

--- What the core and the pipeline read of a route (types/route.lua).
M.ROUTE_FIELDS = {
  "method", "path", "auth", "api_keys", "idempotent", "owner", "listener",
  "refused", "params", "query", "request", "response", "answer", "upload",
  "form", "body_max", "summary", "handler",
}

---@class Advice
---@field code string
---@field message string
---@field at? function that it is about: its file and line are printed

---@param list any[]
---@param wanted any
---@return boolean
local function contains(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then
      return true
    end
  end
  return false
end

--- The keys of a table that a list does not have, in order.
---@param t table
---@param known string[]
---@param of? string only values of this type
---@return string[]
local function unknown_keys(t, known, of)
  local unknown = {}
  for key, value in pairs(t) do
    if
      (not of or type(value) == of) and not contains(known, key)
    then
      unknown[#unknown + 1] = tostring(key)
    end
  end
  table.sort(unknown)
  return unknown
end

--- Adds one warning for each name of `t` that nobody asks for.
---@param advice Advice[] added to
---@param t table
---@param known string[]
---@param spec {code: string, message: string, at?: function, of?: string}
local function check_names(advice, t, known, spec)
  for _, name in ipairs(unknown_keys(t, known, spec.of)) do
    local value = t[name]
    advice[#advice + 1] = {
      code = spec.code,
      message = spec.message:format(name),
      at = type(value) == "function" and value or spec.at,
    }
  end
end

--- What is wrong with the schema of an answer: it would be written as if the
--- wrong part were not there.
---@param route tide.Route
---@return Advice|nil
local function of_answer(route)
  local schema = route.response
  local wrong = schema ~= nil and schema_check.of_answer(schema)
  if not wrong then
    return nil
  end
  return {
    code = "wrong_response_schema",
    message = "response: " .. wrong,
    at = route.handler,
  }
end

---@param routes tide.Route[]
---@return Advice[]
function M.of_routes(routes)
  local advice = {}
  for _, route in ipairs(routes) do
    advice[#advice + 1] = of_answer(route)
    check_names(advice, route, M.ROUTE_FIELDS, {
      code = "unknown_route_field",
      message = "a route has no field '%s'",
      at = route.handler,
    })
  end
  for _, module in ipairs(route_files.modules()) do
    local resource = require(module)
    local first = type(resource) == "table" and resource[1]
    if first and not contains(routes, first) then
      advice[#advice + 1] = {
        code = "unused_file",
        message = ("%s.lua is not named in app.lua, its routes are not "
          .. "there"):format((module:gsub("%.", "/"))),
        at = first.handler,
      }
    end
  end
  return advice
end

---@return Advice[]
function M.of_hooks()
  local advice, known = {}, {}
  for name in pairs(hooks_of.joiners) do
    known[#known + 1] = name
  end
  table.sort(known)
  for _, part in ipairs(hooks.parts) do
    check_names(advice, part, known, {
      code = "unknown_hook",
      message = "nobody calls '%s', the hooks are "
        .. table.concat(known, ", "),
      of = "function",
    })
  end
  for _, name in ipairs(scripts.names("hooks")) do
    local part = require("hooks." .. name)
    if not contains(hooks.parts, part) then
      local _, hook = next(part)
      advice[#advice + 1] = {
        code = "unused_file",
        message = ("hooks/%s.lua is not named in hooks.lua, it does "
          .. "nothing"):format(name),
        at = type(hook) == "function" and hook or nil,
      }
    end
  end
  return advice
end

--- Of providers that use old names.
---@return Advice[]
function M.of_providers()
  local advice = {}
  for _, name in ipairs(registry.names()) do
    local provider = registry.get(name)
    for old, new in pairs(aliases.provider_fields) do
      local value = provider[old]
      if value then
        advice[#advice + 1] = {
          code = "old_name",
          message = ("'%s' of a provider is %s now; the old name is good for "
            .. "one release"):format(old, new),
          at = type(value) == "function" and value or provider.build,
        }
      end
    end
  end
  return advice
end

--- Of the policies that have a contract; the others are nobody's to change.
---@return Advice[]
function M.of_policies()
  local advice = {}
  for module, contract in pairs(contracts.policies) do
    local known = {}
    for name in pairs(contract) do
      known[#known + 1] = name
    end
    table.sort(known)
    check_names(advice, require(module), known, {
      code = "unknown_policy_function",
      message = "nobody calls '%s' of " .. module .. ", its functions are "
        .. table.concat(known, ", "),
      of = "function",
    })
  end
  return advice
end

return M
