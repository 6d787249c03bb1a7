---@meta
--- What a plugin.lua returns; docs/plugins.md explains it.

--- The table of a plugin. Members that are not here are refused.
---@class tide.Plugin
---@field api integer 1
---@field version? string "1.2"
---@field order? number plugins are asked in this order, then by name; default 50
---@field requires? string[] "weather" or "weather >= 1.2": they come before it
---@field routes? tide.Route[]
---@field static? tide.PluginStatic serves the files of the folder static/
---@field hooks? table<string, function> see tide.Hooks
---@field tools? table<string, tide.Tool>
---@field errors? table<string, tide.PluginError> by code
---@field providers? table<string, tide.Provider> by name
---@field policies? table<string, table<string, function>> functions of
--- lua/policy/ to replace: { title = { from_message = … } }
---@field timers? table<string, tide.PluginTimer>
---@field settings? table<string, tide.PluginSetting> by key; config.get gives
--- "plugins.NAME.KEY"

--- Where the files of a plugin's folder static/ are: `path` is its index.html,
--- the others are below. They are part of the plugin: a reload brings them.
---@class tide.PluginStatic
---@field path string "/board"
---@field auth? "none"|"user"|"admin" default "none"

--- A tool that a model may call.
---@class tide.Tool
---@field description string for the model
---@field parameters table JSON schema of the arguments
---@field run fun(args: table, turn: table): any
---@field approve? string|fun(args: table, turn: table): any whether a person
--- must agree: "never" or "ask"
---@field timeout? integer milliseconds
---@field idempotent? boolean it may run again after a crash

--- An error code with its texts.
---@class tide.PluginError
---@field status integer HTTP status
---@field en string
---@field zh string
---@field retry? boolean whether the same request may succeed later

--- Work at set times, see timer.every.
---@class tide.PluginTimer
---@field every integer milliseconds
---@field run fun(tick: tide.Tick)

--- What a setting must be.
---@class tide.PluginSetting
---@field type "string"|"integer"|"number"|"boolean"|"list"|"secret"
---@field default? string|number|boolean|string[]
---@field required? boolean
---@field min? integer
---@field max? integer
---@field choices? string[]
---@field help? string
