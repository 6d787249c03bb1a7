--- The files that have routes, and whether each returns a list of them: app.lua
--- would find nothing in a file that returns one route by itself.

local scripts = require "tide.scripts"

local M = {}

local FOLDERS = { "account", "chat", "doors", "files", "models", "routes" }

--- The modules that have routes: files of routes/, which are the operator's
--- own, and those of other folders that are called so.
---@return string[]
function M.modules()
  local modules = {}
  for _, folder in ipairs(FOLDERS) do
    for _, name in ipairs(scripts.names(folder)) do
      if folder == "routes" or name:find("_routes$") then
        modules[#modules + 1] = folder .. "." .. name
      end
    end
  end
  return modules
end

--- What is wrong with the files themselves.
---@return {message: string, code: string}[]
function M.check()
  local wrong = {}
  for _, module in ipairs(M.modules()) do
    local value = require(module)
    if type(value) == "table" and (value.handler or value.path) then
      wrong[#wrong + 1] = {
        message = ("%s.lua:1: must return a list of routes, not one route: "
          .. "put braces around it"):format((module:gsub("%.", "/"))),
        code = "invalid_route",
      }
    end
  end
  return wrong
end

return M
