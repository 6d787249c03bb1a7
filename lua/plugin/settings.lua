--- The settings of plugins: what is written in tidetalk.yaml and the
--- environment becomes values of the types that the plugin declares. A plugin
--- asks config.get("plugins.NAME.KEY") whenever it needs one.

local core = require "tide.plugin_settings"
local shape = require "plugin.shape"

local M = {}

--- All values, "plugins.weather.url" -> value.
---@type table<string, any>
M.values = {}

--- For `tidetalk config show`: in order, secrets masked.
---@type {key: string, text: string, origin: string}[]
M.shown = {}

--- Secrets with names: what is written is a list of "NAME=SECRET".
---@class NamedSecrets
---@field names string[] as config.get("plugins.PLUGIN.KEY") has them
---@field by_name table<string, tide.Secret>

---@alias SettingReader fun(text: string|string[]): any

---@param text string|string[]
---@return string|nil
local function one(text)
  return type(text) == "string" and text or nil
end

---@param text string|string[]
---@return string[]
local function items_of(text)
  if type(text) == "table" then
    return text
  end
  local items = {}
  for item in text:gmatch("[^,]+") do
    items[#items + 1] = item:match("^%s*(.-)%s*$")
  end
  return items
end

--- Reads a list of "NAME=TEXT".
---@param text string|string[]
---@param secret_of fun(text: string): tide.Secret|nil, string|nil
---@return NamedSecrets|nil secrets, string|nil why
local function named(text, secret_of)
  local secrets = { names = {}, by_name = {} }
  for _, item in ipairs(items_of(text)) do
    local name, rest = item:match("^([%w_-]+)=(.+)$")
    if not name or secrets.by_name[name] then
      return nil, "each of them has a name of its own"
    end
    local secret, why = secret_of(rest)
    if not secret then
      return nil, ("%s: %s"):format(rest, why)
    end
    secrets.names[#secrets.names + 1] = name
    secrets.by_name[name] = secret
  end
  return secrets
end

local BOOLEANS = {
  ["true"] = true, yes = true, on = true, ["1"] = true,
  ["false"] = false, no = false, off = false, ["0"] = false,
}

--- From what is written to a value; nil when it does not fit.
---@type table<string, SettingReader>
local readers = {
  string = one,
  integer = function(text)
    local number = one(text) and text:find("^%s*%-?%d+%s*$") and tonumber(text)
    return math.type(number) == "integer" and number or nil
  end,
  number = function(text)
    return one(text) and tonumber(text) or nil
  end,
  boolean = function(text)
    return one(text) and BOOLEANS[text]
  end,
  list = items_of,
  secret = function(text)
    return one(text) and text ~= "" and core.secret(text) or nil
  end,
  secrets = function(text)
    return (named(text, core.secret))
  end,
}

local WANTED = {
  string = "a text",
  integer = "a whole number",
  number = "a number",
  boolean = "true or false",
  list = "a list of texts",
  secret = "a text",
  secrets = "a list of NAME=SECRET, each name once",
}

--- The type of Lua that a default must have.
local DEFAULTS = {
  string = "string",
  integer = "integer",
  number = "number",
  boolean = "boolean",
  list = "table",
}

---@param spec table
---@param value any
---@return string|nil wrong
local function out_of_bounds(spec, value)
  local size = type(value) == "number" and value or nil
  if size and spec.min and size < spec.min then
    return ("must be at least %d"):format(spec.min)
  elseif size and spec.max and size > spec.max then
    return ("must be at most %d"):format(spec.max)
  end
  for _, choice in ipairs(spec.choices or {}) do
    if choice == value then
      return nil
    end
  end
  return spec.choices and "must be one of "
    .. table.concat(spec.choices, ", ") or nil
end

--- What is wrong with a setting's declaration itself.
---@param spec table
---@return string|nil
function M.wrong_spec(spec)
  if not readers[spec.type] then
    return ("has the type '%s'; there are %s"):format(
      spec.type,
      table.concat(shape.sorted_keys(readers), ", ")
    )
  elseif spec.default == nil then
    return nil
  end
  local kind = math.type(spec.default) or type(spec.default)
  local wanted = DEFAULTS[spec.type]
  if not wanted then
    return "a secret has no default"
  elseif kind ~= wanted and not (wanted == "number" and kind ~= "string") then
    return ("has a default that is a %s, not a %s"):format(kind, wanted)
  end
  local wrong = out_of_bounds(spec, spec.default)
  return wrong and "has a default that " .. wrong
end

---@class SettingRead
---@field value any nil: it is not set
---@field origin string
---@field wrong? string

local SECRETS = { secret = true, secrets = true }

--- A secret may also be in a file, which `KEY_file` names; of several ones it
--- is a list of "NAME=FILE".
---@param plugin string
---@param key string
---@param spec table
---@return SettingRead|nil
local function read_secret_file(plugin, key, spec)
  local path, origin = core.given(plugin, key .. "_file")
  if not path then
    return nil
  elseif spec.type == "secrets" then
    local value, why = named(path, core.secret_of_file)
    return {
      value = value,
      origin = origin,
      wrong = why and "must be a list of NAME=FILE; " .. why,
    }
  elseif type(path) ~= "string" then
    return { origin = origin, wrong = "must be the path of a file" }
  end
  local value, why = core.secret_of_file(path)
  return { value = value, origin = origin, wrong = why and path .. ": " .. why }
end

---@param plugin string
---@param key string
---@param spec table
---@return SettingRead
local function read(plugin, key, spec)
  local text, origin = core.given(plugin, key)
  if text == nil then
    return SECRETS[spec.type] and read_secret_file(plugin, key, spec)
      or { value = spec.default, origin = "default" }
  end
  local value = readers[spec.type](text)
  if value == nil then
    return { origin = origin, wrong = "must be " .. WANTED[spec.type] }
  end
  return { value = value, origin = origin, wrong = out_of_bounds(spec, value) }
end

---@param spec table
---@param value any
---@return string
local function show(spec, value)
  if value == nil then
    return ""
  elseif spec.type == "secret" then
    return "****"
  elseif spec.type == "secrets" then
    return table.concat(value.names, "=****, ") .. "=****"
  elseif type(value) == "table" then
    return table.concat(value, ", ")
  end
  return tostring(value)
end

--- The place of a mistake: the line of the settings file, or that of the
--- setting's declaration.
---@param plugin Plugin
---@param key string
---@param origin string
---@param message string
---@return string
local function place(plugin, key, origin, message)
  if origin:find(":%d+$") then
    return ("%s: %s"):format(origin, message)
  end
  return shape.place(plugin.file, { "settings", key },
    origin == "default" and message or ("%s: %s"):format(origin, message))
end

--- Reads the settings of one plugin.
---@param plugin Plugin
---@return string[] problems
function M.read(plugin)
  local problems = {}
  for _, key in ipairs(shape.sorted_keys(plugin.settings)) do
    local spec = plugin.settings[key]
    local name = ("plugins.%s.%s"):format(plugin.name, key)
    local wrong = M.wrong_spec(spec)
    local got = wrong and { origin = "default", wrong = wrong }
      or read(plugin.name, key, spec)
    if got.value == nil and not got.wrong and spec.required then
      got.wrong = ("must be set, in tidetalk.yaml or as TIDETALK_%s%s"):format(
        name:upper():gsub("%.", "_"),
        SECRETS[spec.type] and "; " .. key .. "_file names a file" or ""
      )
    end
    if got.wrong then
      problems[#problems + 1] =
        place(plugin, key, got.origin, name .. ": " .. got.wrong)
    end
    local value = got.value
    if spec.type == "secrets" then
      value = value or { names = {}, by_name = {} }
      for member, secret in pairs(value.by_name) do
        M.values[name .. "." .. member] = secret
      end
      value = value.names
    end
    M.values[name] = value
    M.shown[#M.shown + 1] =
      { key = name, text = show(spec, got.value), origin = got.origin }
  end
  return problems
end

--- What the settings file has for plugins that do not declare it.
---@param plugins Plugin[]
---@return string[] problems of plugins that are there
---@return string[] warnings of others
function M.unknown(plugins)
  local problems, warnings, by_name = {}, {}, {}
  for _, plugin in ipairs(plugins) do
    by_name[plugin.name] = plugin.settings
  end
  for _, given in ipairs(core.names()) do
    local settings = by_name[given.plugin]
    local secret = settings and settings[given.key:match("^(.*)_file$")]
    if not settings then
      warnings[#warnings + 1] = ("%s: plugins.%s: there is no such plugin, or "
        .. "it is disabled"):format(given.origin, given.plugin)
    elseif
      not settings[given.key] and not (secret and SECRETS[secret.type])
    then
      problems[#problems + 1] = ("%s: plugins.%s.%s: unknown setting; the "
        .. "plugin has %s"):format(given.origin, given.plugin, given.key,
        table.concat(shape.sorted_keys(settings), ", "))
    end
  end
  return problems, warnings
end

--- Makes the values known to config.get.
function M.define()
  core.define(M.values)
end

return M
