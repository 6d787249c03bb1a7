---@meta tide.scripts

--- The scripts of this generation.
---
--- ```lua
--- for _, name in ipairs(scripts.names("providers")) do
---   log.info("a provider", { name = name })
--- end
--- ```
---@class tide.scripts
local scripts = {}

--- The names of the files directly in a folder of lua/, without ".lua".
---@param folder string "providers"
---@return string[] names sorted
function scripts.names(folder) end

--- The names of the plugins: the folders of plugins_dir that are not disabled.
---@return string[] names sorted
function scripts.plugins() end

--- The line in which a table's member is written, for messages about it. Members
--- in members are named from the outside to the inside.
---@param path string of a file of the scripts, "plugins/weather/plugin.lua"
---@param ... string "settings", "url"
---@return integer line 1 if it is not found
function scripts.line_of(path, ...) end

--- Whether this is the generation that serves now: not one that a reload has
--- replaced, and not in a command such as `repl`.
---@return boolean
function scripts.is_current() end

--- One value of a `return`, as far as the source says what it is.
---@class tide.ReturnedValue
---@field type "string"|"number"|"boolean"|"nil"|"table"|"other"
---@field keys? string[] of a table: the names of its members
---@field texts? table<string, string> of a table: members that are one string

---@class tide.Return: tide.ReturnedValue[]
---@field line integer

--- The `return` statements of a function, read in its source. Those of
--- functions within it are not among them.
---@param fn function
---@return tide.Return[]|{file?: string} returns `file`: where it is written
function scripts.returns(fn) end

--- The calls of a module's function with a string as first argument, in all
--- scripts.
---@param module string "lib.errors"
---@param name string "new"
---@return {file: string, line: integer, text: string}[]
function scripts.calls(module, name) end

return scripts
