--- What people paste as an address and a key, and what they mean by it. Pure.
--- Repaired when it is stored, so that the configuration shows what is used.

local presets = require "providers.presets"
local registry = require "providers.registry"

local M = {}

--- Paths that documentation shows whole; the provider's script appends its own.
local ENDPOINTS = {
  "/chat/completions",
  "/completions",
  "/responses",
  "/embeddings",
  "/models",
  "/messages",
  "/api/chat",
  "/api/generate",
}

--- Services that speak OpenAI's API at their bare address.
local BARE = {
  ["api.perplexity.ai"] = true,
  ["models.inference.ai.azure.com"] = true,
}

--- Host -> the address that its service documents.
local DOCUMENTED = {}
for _, preset in ipairs(presets) do
  local host = (preset.base_url or ""):match("^https://([^/]+)")
  if host then
    DOCUMENTED[host] = preset.base_url
  end
end

--- Without blanks at its ends.
---@param text string
---@return string
local function trim(text)
  return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end

---@param address string
---@return string
local function without_end(address)
  local before
  repeat
    before = address
    address = address:gsub("/+$", "")
    for _, endpoint in ipairs(ENDPOINTS) do
      if address:sub(-#endpoint) == endpoint then
        address = address:sub(1, -#endpoint - 1)
      end
    end
  until address == before
  return address
end

--- An address as paths are appended to it: without blanks, slashes and endpoint
--- at its end, and with the version where there is nothing but a host.
---@param base_url string
---@param provider string its name
---@return string
function M.address(base_url, provider)
  local address = trim(base_url)
  local scheme, host, rest = address:match("^(%a+)://([^/?#]+)(.*)$")
  if not scheme or rest:find("[?#%s]") then
    return address -- refused elsewhere
  end
  rest = without_end(rest)
  local spoken = registry.get(provider)
  if rest == "" and spoken and spoken.version then
    local documented = DOCUMENTED[host:lower()]
    if documented and scheme:lower() == "https" then
      return documented
    elseif not BARE[host:lower()] then
      rest = spoken.version
    end
  end
  return scheme .. "://" .. host .. rest
end

--- A key as it goes into a header: without blanks, quotes and the word in front
--- of it in examples.
---@param key string
---@return string
function M.key(key)
  key = trim(key)
  key = key:match('^"(.*)"$') or key:match("^'(.*)'$") or key
  return trim((key:gsub("^[Bb]earer%s+", "")))
end

--- Whether a provider is asked without a key too.
---@param provider string its name
---@return boolean
function M.needs_key(provider)
  local known = registry.get(provider)
  return not (known and known.key_optional)
end

return M
