--- What test.hooks of `tidetalk test` does: some hooks in place of all.

local hooks = require "hooks"
local hooks_of = require "lib.hooks"
local plugins = require "plugin.loader"

---@param name string "hooks.audit_log", or a plugin's name
---@return table<string, function>
local function find(name)
  for _, plugin in ipairs(plugins.plugins) do
    if plugin.name == name then
      return plugin.hooks
    end
  end
  return require(name)
end

--- From now on only these hooks are called.
---@param wanted (string|table<string, function>)[] modules, plugins, or tables
--- of functions
return function(wanted)
  local parts = {}
  for i, part in ipairs(wanted) do
    parts[i] = type(part) == "string" and find(part) or part
  end
  hooks.parts = {}
  hooks_of.extend(hooks, parts)
end
