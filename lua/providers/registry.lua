--- Providers by the name that an API configuration gives. A new provider is a
--- file beside this one and a line here.

local M = {}

---@type table<string, tide.Provider>
local CONFIGURABLE = {
  openai = require "providers.openai",
}

--- The built-in one that needs no address, key or row.
M.builtin = require "providers.demo"

--- The provider of configurations that name none.
M.DEFAULT = "openai"

---@param name string
---@return tide.Provider|nil
function M.get(name)
  return CONFIGURABLE[name]
end

---@return string[] names that a configuration may give, sorted
function M.names()
  local names = {}
  for name in pairs(CONFIGURABLE) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

return M
