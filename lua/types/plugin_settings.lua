---@meta tide.plugin_settings

--- For lua/plugin: the settings of plugins as they are written. Plugins ask
--- config.get("plugins.NAME.KEY").
---
--- ```lua
--- local url, origin = plugin_settings.given("weather", "url")
--- ```
---@class tide.plugin_settings
local plugin_settings = {}

--- What the environment (TIDETALK_PLUGINS_NAME_KEY) or else the settings file
--- has for a key. Only while a module loads.
---@param plugin string
---@param key string
---@return string|string[]|nil value nil: it is not set
---@return string|nil origin "tidetalk.yaml:7" or the variable's name
function plugin_settings.given(plugin, key) end

--- What the settings file has, in its order. Only while a module loads.
---@return {plugin: string, key: string, origin: string}[] names
function plugin_settings.names() end

--- A text as a secret. Only while a module loads.
---@param text string
---@return tide.Secret secret
function plugin_settings.secret(text) end

--- The text of a file as a secret, without the end of the last line. Only
--- while a module loads.
---@param path string
---@return tide.Secret|nil secret
---@return string|nil why it cannot be read
function plugin_settings.secret_of_file(path) end

--- Sets what config.get answers for keys that begin with "plugins.". Only
--- while a module loads.
---@param values table<string, any> "plugins.weather.url" -> its value
---@return nil
function plugin_settings.define(values) end

return plugin_settings
