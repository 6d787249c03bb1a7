--- Fills in the part of a tide.StartSpec that says where a reply comes from:
--- a text that the core plays, or the requests to upstreams, which are sent one
--- after the other until one of them begins to answer.

local config = require "tide.config"
local policy = require "policy.upstream"
local usage_policy = require "policy.usage"

local M = {}

---@class ReplySource what a reply is made from
---@field messages tide.ChatMessage[] as a model is shown them
---@field raw? tide.Raw a client's whole request in OpenAI's form, passed on as
--- it came where that is possible
---@field tokens? integer with `raw`: about how many it has
---@field changed? tide.ChatMessage[] with `raw`: what a hook made of its
--- messages
---@field persona? Persona who speaks; only a played model reads it
---@field language? "zh"|"en" likewise
---@field tools? table[] this and the next three: see tide.ProviderRequest
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

--- A provider made from another one may have a `build` of its own, which knows
--- nothing of requests as they came.
---@param provider tide.Provider
---@return boolean
local function takes_raw(provider)
  return provider.builds_raw ~= nil and provider.builds_raw == provider.build
end

--- The request to one configuration.
---@param model Model
---@param source ReplySource
---@return tide.Candidate
local function candidate(model, source)
  local request = {
    base_url = model.base_url,
    key = model.key,
    model = model.name,
  }
  if source.raw and takes_raw(model.provider) then
    request.raw, request.messages = source.raw, source.changed
  else
    request.messages = source.messages
    request.tools = source.tools
    request.tool_choice = source.tool_choice
    request.max_tokens = source.max_tokens
    request.options = source.options
  end
  local built = model.provider.build(request)
  return {
    provider = model.provider,
    configuration = model.id,
    model = model.name,
    url = built.url,
    headers = built.headers,
    body = built.body,
    deadlines = deadlines_of(model, source.limit),
  }
end

--- Fills in whom the core asks, and with what.
---@param spec tide.StartSpec changed
---@param model Model
---@param source ReplySource
function M.fill(spec, model, source)
  local provider = model.provider
  spec.counted_as = model.name
  spec.input_estimate = not source.changed and source.tokens
    or usage_policy.estimate_input(source.messages, source.tools)
  if provider.play then
    spec.play = provider.play(
      source.messages,
      source.persona,
      source.language
    )
    return
  end
  local candidates = { candidate(model, source) }
  for _, fallback in ipairs(model.fallbacks or {}) do
    candidates[#candidates + 1] = candidate(fallback, source)
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
