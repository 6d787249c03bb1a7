--- What test.hooks of `tidetalk test` does: some hooks in place of all.

local hooks = require "hooks"
local hooks_of = require "lib.hooks"
local plugins = require "plugin.loader"

---@param name string "hooks.audit_log", or a plugin's name
---@return tide.Hooks
local function find(name)
  for _, plugin in ipairs(plugins.plugins) do
    if plugin.name == name then
      return plugin.hooks
    end
  end
  return require(name)
end

--- From now on only these hooks are called.
---@param wanted (string|tide.Hooks)[] modules, plugins, or tables
--- of functions
return function(wanted)
  local parts, names = {}, {}
  for i, part in ipairs(wanted) do
    parts[i] = type(part) == "string" and find(part) or part
    names[i] = type(part) == "string" and part or "a test"
  end
  hooks.parts = {}
  hooks_of.extend(hooks, parts, names)
end
