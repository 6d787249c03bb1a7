--- A provider's request with what a configuration has of its own: options,
--- members of the body, headers. Pure. What a client names itself stays as the
--- client has it; without options nothing is looked at.

local chat_messages = require "providers.chat_messages"
local model_options = require "models.model_options"
local thinking = require "providers.thinking"

local M = {}

--- Names under which clients say how much a model thinks.
local THINKING = {
  "reasoning_effort",
  "reasoning",
  "thinking",
  "enable_thinking",
  "output_config",
}

--- What a client has named itself, as a look-up.
---@param request tide.ProviderRequest
---@return fun(name: string): any
local function named_by(request)
  local raw, options = request.raw, request.options or {}
  return function(name)
    local value
    if raw then
      value = raw:members(name)
    else
      value = options[name]
    end
    return chat_messages.present(value)
  end
end

--- The request with the options that it has not named itself.
---@param request tide.ProviderRequest
---@param options ModelOptions
---@param named fun(name: string): any
---@param cool boolean without a temperature
---@return tide.ProviderRequest
local function with_options(request, options, named, cool)
  local more = {}
  for name, value in pairs(request.options or {}) do
    more[name] = value
  end
  if options.temperature and not cool and named("temperature") == nil then
    more.temperature = options.temperature
  end
  local limited = request.max_tokens
    or named("max_tokens")
    or named("max_completion_tokens")
  local copy = {}
  for name, value in pairs(request) do
    copy[name] = value
  end
  copy.options = more
  copy.max_tokens = request.max_tokens or not limited and options.max_tokens
    or nil
  copy.api_version = options.api_version
  return copy
end

--- How much a model is to think, unless the client has said it, or a
--- temperature that excludes it.
---@param provider tide.Provider
---@param options ModelOptions
---@param named fun(name: string): any
---@return ModelThinking|nil
local function thought(provider, options, named)
  local wanted = options.thinking
  if not wanted or not provider.thinking then
    return nil
  end
  for _, name in ipairs(THINKING) do
    if named(name) ~= nil then
      return nil
    end
  end
  if provider.thinking_alone and named("temperature") ~= nil then
    return nil
  end
  return wanted
end

--- Headers with others over them, whatever the case of their names.
---@param headers table<string, any>
---@param own table<string, tide.Secret>
---@return table<string, any>
local function replace_headers(headers, own)
  local mine = {}
  for name in pairs(own) do
    mine[name:lower()] = true
  end
  local all = {}
  for name, value in pairs(headers) do
    if not mine[name:lower()] then
      all[name] = value
    end
  end
  for name, value in pairs(own) do
    all[name] = value
  end
  return all
end

--- A call with a model's own headers.
---@param model Model
---@param call tide.ProviderCall changed
---@return tide.ProviderCall call
function M.with_headers(model, call)
  if model.headers then
    call.headers = replace_headers(call.headers, model.headers)
  end
  return call
end

--- The call of a provider's `build`, with a model's own headers and options.
---@param model Model
---@param request tide.ProviderRequest
---@param options ModelOptions|nil
---@return tide.ProviderCall
function M.build(model, request, options)
  local provider = model.provider
  local built
  if not options then
    built = provider.build(request)
  else
    local named = named_by(request)
    local wanted = thought(provider, options, named)
    local cool = wanted ~= nil
      and provider.thinking_alone == true
      and thinking.is_on(wanted)
    built = provider.build(with_options(request, options, named, cool))
    if wanted then
      local members = provider.thinking(wanted, request.model, built.body)
      built.body = model_options.splice(built.body, members)
    end
    if options.extra_body then
      built.body = model_options.splice(
        built.body,
        options.extra_body,
        not request.raw and request.options or nil
      )
    end
  end
  return M.with_headers(model, built)
end

return M
