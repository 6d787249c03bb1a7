--- A provider of models with a form of its own: docs/providers.md. It gets
---
---   POST BASE_URL/talk  {"model": "…", "said": ["…"]}
---
--- and streams lines such as {"say": "Hi"}, the last one with {"over": true}.

---@param request tide.ProviderRequest
---@return tide.ProviderCall
local function build(request)
  local said = {}
  for i, message in ipairs(request.messages) do
    said[i] = message.content
  end
  return {
    url = request.base_url .. "/talk",
    headers = {
      ["Authorization"] = { "Bearer ", request.key },
      ["Content-Type"] = "application/json",
    },
    body = { model = request.model, said = said },
  }
end

---@type tide.Provider
local provider = {
  framing = "json_lines",
  stream = { content = "say", ended = "over" },
  whole = {}, -- it knows no answers that are not streamed
  build = build,
}

---@type tide.Plugin
return { api = 1, providers = { sample = provider } }
