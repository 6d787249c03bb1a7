--- Providers by the name that an API configuration gives: every file of this
--- folder that has a `build`, and the presets. So a new provider is a file put
--- here, and a reload. What a file declares is checked as it loads.

local aliases = require "aliases"
local llm = require "tide.llm"
local presets = require "providers.presets"
local scripts = require "tide.scripts"
local thinking = require "providers.thinking"

local M = {}

--- The built-in one that needs no address, key or row.
M.builtin = require "providers.demo"

--- The provider of configurations that name none.
M.DEFAULT = "openai"

--- Files here that are no providers.
local OTHERS = {
  anthropic_thoughts = true,
  chat_messages = true,
  demo = true,
  demo_tools = true,
  demo_values = true,
  presets = true,
  registry = true,
  thinking = true,
  tool_calls = true,
}

---@type table<string, tide.Provider>
local configurable = {}

--- One list for everybody who asks: schemas that have it get what plugins add.
---@type string[]
local names = {}

---@param provider tide.Provider
local function add(provider)
  for old, new in pairs(aliases.provider_fields) do
    provider[new] = provider[new] or provider[old]
  end
  if configurable[provider.name] or provider.name == M.builtin.name then
    error(("there are two providers '%s'"):format(provider.name), 0)
  end
  configurable[provider.name] = provider
  names[#names + 1] = provider.name
  table.sort(names)
end

--- Endpoints that only some services have beside the chat.
local NOT_INHERITED = { "rerank", "moderate" }

---@param preset ProviderPreset
---@param name string
---@return boolean
local function offers(preset, name)
  for _, one in ipairs(preset.offers or {}) do
    if one == name then
      return true
    end
  end
  return false
end

for _, name in ipairs(scripts.names("providers")) do
  if not OTHERS[name] then
    local provider = require("providers." .. name)
    llm.check_provider(provider)
    add(provider)
  end
end

for _, preset in ipairs(presets) do
  local provider = {}
  local spoken = configurable[preset.speaks]
  if not spoken then
    error(
      ("preset '%s' speaks '%s', which is no provider"):format(
        preset.name,
        tostring(preset.speaks)
      ),
      0
    )
  end
  for key, value in pairs(spoken) do
    provider[key] = value
  end
  for _, name in ipairs(NOT_INHERITED) do
    provider[name] = offers(preset, name) and provider[name] or nil
  end
  provider.name, provider.base_url = preset.name, preset.base_url
  provider.images, provider.notes = preset.images, preset.notes
  provider.key_optional = preset.key_optional
  provider.refuses = preset.refuses
  if preset.thinking then
    provider.thinking = thinking[preset.thinking]
  end
  add(provider)
end

--- Adds the provider of a plugin; raises what is wrong with it.
---@param provider tide.Provider
function M.add(provider)
  llm.check_provider(provider)
  add(provider)
end

---@param name string
---@return tide.Provider|nil
function M.get(name)
  return configurable[name]
end

---@return string[] names that a configuration may give, sorted; read-only
function M.names()
  return names
end

--- Whether a model takes images.
---@param provider tide.Provider
---@param model string its name
---@return boolean
function M.takes_images(provider, model)
  local images = provider.images
  if type(images) == "function" then
    return images(model)
  elseif type(images) ~= "table" then
    return images == true
  end
  for _, pattern in ipairs(images) do
    if model:find(pattern) then
      return true
    end
  end
  return false
end

return M
