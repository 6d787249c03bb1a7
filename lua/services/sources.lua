--- What a reply comes from: a text played in the core, or an upstream that is
--- asked.

local usage_policy = require "policy.usage"

local M = {}

---@class SourceWish
---@field messages tide.ChatMessage[] as a model is shown them
---@field persona? Persona who speaks; a played model needs it
---@field language? "zh"|"en" likewise
---@field tools? table[] likewise the fields below: see tide.ProviderRequest
---@field tool_choice? string|table
---@field max_tokens? integer
---@field options? table<string, any>

--- Fills in how the reply comes about.
---@param spec tide.StartSpec changed
---@param model Model
---@param wish SourceWish
function M.set(spec, model, wish)
  local provider = model.provider
  spec.counted_as = model.name
  spec.input_estimate =
    usage_policy.estimate_input(wish.messages, wish.tools)
  if provider.plan then
    spec.play = provider.plan(wish.messages, wish.persona, wish.language)
    return
  end
  local request = provider.build({
    base_url = model.base_url,
    key = model.key,
    model = model.name,
    messages = wish.messages,
    tools = wish.tools,
    tool_choice = wish.tool_choice,
    max_tokens = wish.max_tokens,
    options = wish.options,
  })
  spec.provider = provider
  spec.url = request.url
  spec.headers = request.headers
  spec.body = request.body
  spec.deadlines = model.deadlines
end

return M
