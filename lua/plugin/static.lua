--- The routes for the files of a plugin's folder `static/`. They were read with
--- the scripts, so nothing else can be reached below the path.

local M = {}

local AUTH = { none = true, user = true, admin = true }

local FILE = {
  fields = { { name = "file", type = "string", required = true } },
}

--- What is wrong with the member `static`.
---@param static {path: string, auth?: string}
---@return string|nil member
---@return string|nil message
function M.wrong(static)
  local path = static.path
  local fits = path:find("^/[%w._~-][%w._~/-]*$") and not path:find("//")
  if not fits then
    return "path", ("'%s' is no path below which files can be"):format(path)
  elseif static.auth and not AUTH[static.auth] then
    return "auth", "must be none, user or admin"
  end
end

--- The path itself is `static/index.html`. Its links are relative to a slash at
--- the end.
---@param name string of the plugin
---@param static {path: string, auth?: string}
---@return tide.Route[]
function M.routes(name, static)
  local path = static.path:gsub("/$", "")
  local function answer(file)
    return { file = { plugin = name, path = "static/" .. file } }
  end
  return {
    {
      method = "GET",
      path = path,
      auth = static.auth or "none",
      summary = "The page of the plugin " .. name,
      handler = function(req)
        if req.path:sub(-1) ~= "/" then
          return { redirect = path .. "/" }
        end
        return answer("index.html")
      end,
    },
    {
      method = "GET",
      path = path .. "/*file",
      auth = static.auth or "none",
      summary = "Files of the plugin " .. name,
      params = FILE,
      handler = function(req)
        return answer(req.params.file)
      end,
    },
  }
end

return M
