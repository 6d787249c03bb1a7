--- The plugins of this generation: reads them, orders them, and puts what they
--- have where the server looks for it. This runs before the server's own routes
--- are loaded, so plugins may not require app.lua; everything else they may.
--- What is wrong is collected, and refuses the generation (app.self_tests).

local contracts = require "checks.contracts"
local errors = require "lib.errors"
local hooks = require "hooks"
local hooks_of = require "lib.hooks"
local queues = require "queue.queues"
local registry = require "providers.registry"
local scripts = require "tide.scripts"
local settings = require "plugin.settings"
local shape = require "plugin.shape"
local server_tools = require "tools"
local static = require "plugin.static"
local timer = require "tide.timer"
local tools = require "chat.tools"

local M = {}

local USUAL_ORDER = 50

---@class Plugin
---@field name string
---@field file string
---@field api integer
---@field version? string
---@field order number
---@field routes tide.Route[]
---@field hooks table<string, function|tide.Hook>
---@field tools table<string, tide.Tool>|fun(turn: tide.Turn): table
---@field errors table<string, ErrorEntry>
---@field providers table<string, tide.Provider>
---@field policies table<string, table<string, function>>
---@field timers table<string, tide.PluginTimer>
---@field queues table<string, tide.QueueSpec>
---@field settings table<string, table>
---@field requires string[]

--- In the order in which they are asked.
---@type Plugin[]
M.plugins = {}

--- What is wrong with them.
---@type {message: string, code: string, at?: function}[]
M.problems = {}

---@param message string with its place, unless that is the function's
---@param at? function
local function add_problem(message, at)
  M.problems[#M.problems + 1] =
    { message = message, code = "broken_plugin", at = at }
end

local PARTS = {
  "routes", "hooks", "tools", "errors", "providers", "policies", "timers",
  "queues", "settings", "requires",
}

---@param plugin Plugin
---@param names string[] where, as members are nested
---@param message string
---@param ... any for the message
local function problem(plugin, names, message, ...)
  add_problem(shape.place(plugin.file, names, message:format(...)))
end

--- The routes of a plugin's files, behind its own.
---@param plugin Plugin
---@param declared? {path: string, auth?: string}
local function add_static(plugin, declared)
  local member, wrong
  if declared then
    member, wrong = static.wrong(declared)
  end
  if wrong then
    problem(plugin, { "static", member }, "%s", wrong)
  elseif declared then
    local routes = table.move(plugin.routes, 1, #plugin.routes, 1, {})
    for _, route in ipairs(static.routes(plugin.name, declared)) do
      routes[#routes + 1] = route
    end
    plugin.routes = routes
  end
end

--- Runs plugin.lua.
---@param name string
---@return Plugin|nil
local function read(name)
  local file = ("plugins/%s/plugin.lua"):format(name)
  local ran, value = pcall(require, name .. ".plugin")
  if not ran then
    local message = tostring(value) -- out of memory, it names no place
    local placed = message:find("^[^%s:]+:%d+:")
    add_problem(placed and message or ("%s:1: %s"):format(file, message))
    return nil
  end
  local wrong = shape.problems(file, value)
  for _, message in ipairs(wrong) do
    add_problem(message)
  end
  if #wrong > 0 then
    return nil
  end
  local plugin = {
    name = name,
    file = file,
    api = value.api,
    version = value.version,
    order = value.order or USUAL_ORDER,
  }
  for _, part in ipairs(PARTS) do
    plugin[part] = value[part] or {}
  end
  add_static(plugin, value.static)
  return plugin
end

--- ---- order

---@param plugin Plugin
---@param by_name table<string, Plugin>
---@param wanted string "weather" or "weather >= 1.2"
---@return Plugin|nil
local function required(plugin, by_name, wanted)
  local name, version = wanted:match("^([a-z0-9_]+)%s*>=%s*([%d.]+)$")
  name = name or wanted:match("^[a-z0-9_]+$")
  local other = name and by_name[name]
  if not name then
    problem(plugin, { "requires" },
      "'%s' is not a name, or a name with >= and a version", wanted)
  elseif not other then
    problem(plugin, { "requires" },
      "the plugin %s is required and not there", name)
  elseif version and not M.is_at_least(other.version or "0", version) then
    problem(plugin, { "requires" }, "%s is required, and %s is of version %s",
      wanted, name, other.version or "0")
  end
  return other
end

--- Whether a version is not older: numbers with dots, the first counts most.
---@param version string "1.10"
---@param least string "1.9.2"
---@return boolean
function M.is_at_least(version, least)
  local next_part, next_least = version:gmatch("%d+"), least:gmatch("%d+")
  while true do
    local part, other = next_part(), next_least()
    if not other then
      return true
    elseif tonumber(part or 0) ~= tonumber(other) then
      return tonumber(part or 0) > tonumber(other)
    end
  end
end

--- By `order`, then by name; what a plugin requires comes before it.
---@param found Plugin[]
---@return Plugin[]
local function in_order(found)
  local by_name, sorted, state = {}, {}, {}
  table.sort(found, function(a, b)
    if a.order ~= b.order then
      return a.order < b.order
    end
    return a.name < b.name
  end)
  for _, plugin in ipairs(found) do
    by_name[plugin.name] = plugin
  end
  local function visit(plugin)
    if state[plugin] == "begun" then
      problem(plugin, { "requires" },
        "the plugin requires itself, through others")
    end
    if state[plugin] then
      return
    end
    state[plugin] = "begun"
    for _, wanted in ipairs(plugin.requires) do
      local other = required(plugin, by_name, wanted)
      if other then
        visit(other)
      end
    end
    state[plugin] = "done"
    sorted[#sorted + 1] = plugin
  end
  for _, plugin in ipairs(found) do
    visit(plugin)
  end
  return sorted
end

--- ---- putting things in their places

--- Remembers whose a thing is; false when another plugin has it already.
---@param owners table<string, Plugin>
---@param plugin Plugin
---@param thing string "serve GET /x"
---@param names string[] its place
---@return boolean
local function claim(owners, plugin, thing, names)
  local other = owners[thing]
  if other then
    problem(plugin, names, "two plugins %s: %s and %s", thing, other.name,
      plugin.name)
    return false
  end
  owners[thing] = plugin
  return true
end

---@param plugin Plugin
---@param owners table<string, Plugin>
local function add_errors(plugin, owners)
  for _, code in ipairs(shape.sorted_keys(plugin.errors)) do
    local place = { "errors", code }
    if claim(owners, plugin, "define the error " .. code, place) then
      if errors.all[code] then
        problem(plugin, place, "the server has an error %s already", code)
      else
        errors.all[code] = plugin.errors[code]
      end
    end
  end
end

---@param plugin Plugin
local function add_providers(plugin)
  for _, name in ipairs(shape.sorted_keys(plugin.providers)) do
    local provider = plugin.providers[name]
    provider.name = provider.name or name
    local added, why = pcall(registry.add, provider)
    if not added then
      problem(plugin, { "providers", name }, "%s", tostring(why))
    end
  end
end

---@param plugin Plugin
---@param owners table<string, Plugin>
local function add_policies(plugin, owners)
  for _, policy in ipairs(shape.sorted_keys(plugin.policies)) do
    local module = shape.policies[policy]
    for _, name in ipairs(shape.sorted_keys(plugin.policies[policy])) do
      local place = { "policies", policy, name }
      if not contracts.policies[module][name] then
        problem(plugin, place, "policy %s has no function %s; it has %s",
          policy, name,
          table.concat(shape.sorted_keys(contracts.policies[module]), ", "))
      elseif
        claim(owners, plugin, ("decide %s.%s"):format(policy, name), place)
      then
        require(module)[name] = plugin.policies[policy][name]
      end
    end
  end
end

---@param name string
---@param spec tide.PluginTimer
local function declare_timer(name, spec)
  if (spec.every == nil) == (spec.cron == nil) then
    error("needs 'every', or 'cron' and 'zone'", 0)
  elseif spec.every then
    timer.every(name, spec.every, spec.run,
      { first = spec.first, nodes = spec.nodes })
  else
    timer.cron(spec.cron, spec.zone or "UTC", spec.run,
      { name = name, first = spec.first })
  end
end

---@param plugin Plugin
local function add_timers(plugin)
  for _, name in ipairs(shape.sorted_keys(plugin.timers)) do
    local added, why =
      pcall(declare_timer, plugin.name .. "." .. name, plugin.timers[name])
    if not added then
      problem(plugin, { "timers", name }, "%s", tostring(why))
    end
  end
end

---@param plugin Plugin
---@param owners table<string, Plugin>
local function add_queues(plugin, owners)
  for _, name in ipairs(shape.sorted_keys(plugin.queues)) do
    local place = { "queues", name }
    if claim(owners, plugin, "have the queue " .. name, place) then
      local added, why = pcall(queues.define, name, plugin.queues[name])
      if not added then
        problem(plugin, place, "%s", tostring(why))
      end
    end
  end
end

---@param plugin Plugin
---@param owners table<string, Plugin>
local function add_tools(plugin, owners)
  if type(plugin.tools) == "function" then
    tools.add_source(server_tools, plugin.name, plugin.tools)
    return
  end
  for _, name in ipairs(shape.sorted_keys(plugin.tools)) do
    local place = { "tools", name }
    if claim(owners, plugin, "have the tool " .. name, place) then
      local added, why =
        pcall(tools.extend, server_tools, { [name] = plugin.tools[name] })
      if not added then
        problem(plugin, place, "%s", tostring(why))
      end
    end
  end
end

--- "/x/:id" and "/x/:name/" are the same route.
local function route_key(route)
  local path =
    tostring(route.path):gsub("/([:*])[%w_]+", "/%1"):gsub("(.)/$", "%1")
  return ("serve %s %s"):format(tostring(route.method), path)
end

--- Adds the routes of the plugins to those of the server.
---@param routes tide.Route[] added to
function M.add_routes(routes)
  local owners, shipped = {}, {}
  for _, route in ipairs(routes) do
    shipped[route_key(route)] = true
  end
  for _, plugin in ipairs(M.plugins) do
    for _, route in ipairs(plugin.routes) do
      local key = route_key(route)
      local message
      if shipped[key] then
        message = ("the server has a route %s %s already; choose another path")
          :format(route.method, route.path)
      elseif owners[key] then
        message = ("two plugins serve %s %s: %s and %s"):format(
          route.method, route.path, owners[key].name, plugin.name)
      end
      if message and type(route.handler) == "function" then
        add_problem(message, route.handler)
      elseif message then
        problem(plugin, { "routes" }, "%s", message)
      else
        owners[key] = plugin
        routes[#routes + 1] = route
      end
    end
  end
end

--- What is allowed and most likely a mistake, for `check`.
---@type {message: string, code: string}[]
local warnings = {}

---@return {message: string, code: string}[]
function M.advice()
  return warnings
end

local function read_settings()
  for _, plugin in ipairs(M.plugins) do
    for _, message in ipairs(settings.read(plugin)) do
      add_problem(message)
    end
  end
  local problems, others = settings.unknown(M.plugins)
  for _, message in ipairs(problems) do
    add_problem(message)
  end
  for _, message in ipairs(others) do
    warnings[#warnings + 1] = { message = message, code = "unknown_plugin" }
  end
  settings.define()
end

local function load_all()
  local found, owners, parts, names = {}, {}, {}, {}
  for _, name in ipairs(scripts.plugins()) do
    found[#found + 1] = read(name)
  end
  M.plugins = in_order(found)
  read_settings()
  for _, plugin in ipairs(M.plugins) do
    add_errors(plugin, owners)
    add_providers(plugin)
    add_policies(plugin, owners)
    add_timers(plugin)
    add_queues(plugin, owners)
    add_tools(plugin, owners)
    parts[#parts + 1] = plugin.hooks
    names[#names + 1] = plugin.name
  end
  hooks_of.extend(hooks, parts, names)
end

load_all()

return M
