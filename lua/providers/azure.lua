--- Azure OpenAI: OpenAI's API at addresses of its own, with the key in a header
--- of its own. The newer form ends in /openai/v1 and takes models by name; the
--- other has the deployment in the path and a version in the query.
--- Source: Azure OpenAI documentation, "API version lifecycle" and the
--- reference "Chat completions - Create".

local openai = require "providers.openai"

local M = {}
for name, value in pairs(openai) do
  M[name] = value
end
M.name = "azure"
M.images = true
M.base_url, M.version = nil, nil
M.rerank, M.moderate = nil, nil

--- Of the older form, when options.api_version names none: the newest that is
--- no preview.
local API_VERSION = "2024-10-21"

---@param name string a deployment's
---@return string
local function escaped(name)
  return (name:gsub("[^%w._~-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

--- Where an endpoint is.
---@param request tide.ProviderRequest
---@param path string "/chat/completions"
---@return string
local function url_of(request, path)
  local base, version = request.base_url, request.api_version
  if base:find("/openai/v1$") then
    return base .. path .. (version and "?api-version=" .. version or "")
  elseif not base:find("/deployments/[^/]+$") then
    base = base:gsub("/openai$", "")
      .. "/openai/deployments/"
      .. escaped(request.model or "")
  end
  return base .. path .. "?api-version=" .. (version or API_VERSION)
end

---@param request tide.ProviderRequest
---@param call tide.ProviderCall of OpenAI's
---@param path string
---@return tide.ProviderCall
local function at_azure(request, call, path)
  call.url = url_of(request, path)
  call.headers.Authorization = nil
  call.headers["api-key"] = request.key
  return call
end

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.build(request)
  return at_azure(request, openai.build(request), "/chat/completions")
end

M.builds_raw, M.takes_kept = M.build, M.build

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.embed(request)
  return at_azure(request, openai.embed(request), "/embeddings")
end

--- Deployments are not listed for a key; what the resource could deploy is.
---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.models(request)
  local call = at_azure(request, openai.models(request), "/models")
  call.url = call.url:gsub("/deployments/[^/]*/models", "/models")
  return call
end

return M
