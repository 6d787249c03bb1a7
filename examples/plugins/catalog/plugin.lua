--- A route that asks another service, with a key that users do not see: which
--- models it offers. Answers are kept for a minute.

local config = require "tide.config"
local http = require "tide.http"
local json = require "tide.json"
local shared = require "tide.shared"

local KEY, KEPT_MS = "plugins.catalog.key", 60000
local kept = shared.dict("catalog")

---@return string[]|nil names, tide.Error|nil err
local function names_of_models()
  local known = kept:get("names")
  if known then
    return json.decode(tostring(known))
  end
  local answer, err = http.request({
    url = config.get("plugins.catalog.url") .. "/models",
    headers = { Authorization = { "Bearer ", config.get(KEY) } },
  })
  local body = answer and answer.status == 200 and json.decode(answer.body)
  if type(body) ~= "table" or type(body.data) ~= "table" then
    return nil, err or { code = "no_catalog" }
  end
  local names = json.array({})
  for i, model in ipairs(body.data) do
    names[i] = model.id
  end
  kept:set("names", json.encode(names), KEPT_MS)
  return names
end

return {
  api = 1,
  settings = {
    url = { type = "string", required = true, help = "https://…/v1" },
    key = { type = "secret", required = true },
  },
  errors = {
    no_catalog = {
      status = 502,
      en = "The catalog gives no list of models. Try again later.",
      zh = "目录服务没有返回模型列表，请稍后再试。",
      retry = true,
    },
  },
  routes = {
    {
      method = "GET",
      path = "/api/catalog",
      auth = "user",
      summary = "The models of the catalog",
      handler = function()
        local names, err = names_of_models()
        return names and { json = { models = names } }, err
      end,
    },
  },
}
