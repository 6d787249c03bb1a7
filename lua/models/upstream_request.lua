--- What a reply comes from: a text played in the core, or upstreams that are
--- asked one after the other until one of them begins to tell it.

local config = require "tide.config"
local policy = require "policy.upstream"
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
---@field limit? integer ms for all of it, when the configurations' is longer

--- The deadlines of a configuration, with a limit besides.
---@param model Model
---@param limit integer|nil ms
---@return ApiDeadlines
local function deadlines_of(model, limit)
  local own = model.deadlines
  if not limit then
    return own
  end
  return {
    connect = own.connect,
    first_byte = own.first_byte,
    between = own.between,
    total = math.min(own.total or limit, limit),
  }
end

--- The request to one configuration.
---@param model Model
---@param wish SourceWish
---@return tide.Candidate
local function request(model, wish)
  local built = model.provider.build({
    base_url = model.base_url,
    key = model.key,
    model = model.name,
    messages = wish.messages,
    tools = wish.tools,
    tool_choice = wish.tool_choice,
    max_tokens = wish.max_tokens,
    options = wish.options,
  })
  return {
    provider = model.provider,
    url = built.url,
    headers = built.headers,
    body = built.body,
    deadlines = deadlines_of(model, wish.limit),
  }
end

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
  local candidates = { request(model, wish) }
  for _, fallback in ipairs(model.fallbacks or {}) do
    candidates[#candidates + 1] = request(fallback, wish)
  end
  spec.candidates = candidates
  spec.retry = policy.plan(#candidates, {
    balance = config.get("upstream.balance"),
    retries = config.get("upstream.retries"),
    retry_wait = config.get("upstream.retry_wait"),
    retry_after_max = config.get("upstream.retry_after_max"),
    retry_after_send = config.get("upstream.retry_after_send"),
  }, math.random())
end

return M
