--- Fills in the part of a tide.StartSpec that says where a reply comes from:
--- a text that the core plays, or the requests to upstreams, which are sent one
--- after the other until one of them begins to answer.

local config = require "tide.config"
local conversations = require "tide.messages"
local llm = require "tide.llm"
local policy = require "policy.upstream"
local usage_policy = require "policy.usage"

local M = {}

---@class CameAs a request as its client sent it
---@field form string what a provider that speaks it has as `raw_form`
---@field request tide.Raw
---@field headers? table<string, string> those that the form's vendor reads

---@class ReplySource what a reply is made from
---@field messages tide.Messages|tide.ChatMessage[] as a model is shown them
---@field raw? tide.Raw a client's whole request in OpenAI's form, passed on as
--- it came where that is possible
---@field came? CameAs with `raw`: the same request in its client's form
---@field tokens? integer with `raw`: about how many it has
---@field changed? tide.ChatMessage[] with `raw`: what a hook made of its
--- messages
---@field persona? Persona who speaks; only a played model reads it
---@field language? "zh"|"en" likewise
---@field tools? table[] this and the next three: see tide.ProviderRequest
---@field tool_choice? string|table
---@field max_tokens? integer
---@field options? table<string, any>
---@field tables? tide.ChatMessage[] the messages, once somebody needed tables
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
---@param form string
---@return boolean
local function takes_raw(provider, form)
  return provider.builds_raw ~= nil
    and provider.builds_raw == provider.build
    and (provider.raw_form or "chat") == form
end

--- Whether a provider speaks the form in which a request came.
---@param provider tide.Provider
---@param came CameAs|nil
---@return boolean
function M.speaks(provider, came)
  return came ~= nil and takes_raw(provider, came.form)
end

--- Leaves of a model what speaks the form in which a request came, for one that
--- has no place in another.
---@param model Model changed
---@param came CameAs|nil
---@return boolean there_is_one
function M.keep_speakers(model, came)
  if not M.speaks(model.provider, came) then
    return false
  end
  local kept = {}
  for _, fallback in ipairs(model.fallbacks or {}) do
    if M.speaks(fallback.provider, came) then
      kept[#kept + 1] = fallback
    end
  end
  model.fallbacks = kept
  return true
end

--- Whether a function of a provider takes messages that stay in the core;
--- likewise.
---@param provider tide.Provider
---@param func fun
---@return boolean
local function takes_kept(provider, func)
  return provider.takes_kept ~= nil and provider.takes_kept == func
end

--- Messages as a function of a provider takes them.
---@param source ReplySource changed
---@param provider tide.Provider
---@param func fun its build or play
---@return tide.Messages|tide.ChatMessage[]
local function messages_for(source, provider, func)
  local messages = source.messages
  if type(messages) ~= "userdata" or takes_kept(provider, func) then
    return messages
  end
  source.tables = source.tables or messages:tables()
  return source.tables
end

--- What all requests to a model have in common, by its key: one that was opened
--- anew has a new one.
---@type table<tide.Secret, tide.Template>
local templates = setmetatable({}, { __mode = "k" })

---@param model Model
---@return tide.Template
local function template_of(model)
  local template = templates[model.key]
  if not template then
    local built = model.provider.build({
      base_url = model.base_url,
      key = model.key,
      model = model.name,
      messages = conversations.new(),
    })
    built.provider, built.deadlines = model.provider, model.deadlines
    built.configuration, built.model = model.id, model.name
    template = llm.template(built)
    templates[model.key] = template
  end
  return template
end

--- Whether a request differs from others to its model by the messages only.
---@param model Model
---@param source ReplySource
---@return boolean
local function fits_template(model, source)
  return not source.raw
    and model.key ~= nil -- by which templates are kept
    and type(source.messages) == "userdata"
    and takes_kept(model.provider, model.provider.build)
    and not (source.tools or source.tool_choice)
    and not (source.max_tokens or source.options or source.limit)
    and not source.messages:has_parts()
end

--- Fills in the request to one configuration.
---@param into table changed: a tide.Candidate, or a tide.StartSpec of one
---@param model Model
---@param source ReplySource
---@return table into
local function describe(into, model, source)
  if fits_template(model, source) then
    into.template, into.messages = template_of(model), source.messages
    return into
  end
  local provider = model.provider
  local request = {
    base_url = model.base_url,
    key = model.key,
    model = model.name,
  }
  if M.speaks(provider, source.came) then
    request.raw, request.messages = source.came.request, source.changed
    request.raw_headers = source.came.headers
  elseif source.raw and takes_raw(provider, "chat") then
    request.raw, request.messages = source.raw, source.changed
  else
    request.messages = messages_for(source, provider, provider.build)
    request.tools = source.tools
    request.tool_choice = source.tool_choice
    request.max_tokens = source.max_tokens
    request.options = source.options
  end
  local built = provider.build(request)
  into.provider, into.configuration, into.model =
    provider, model.id, model.name
  into.url, into.headers, into.body = built.url, built.headers, built.body
  into.deadlines = deadlines_of(model, source.limit)
  return into
end

--- About how many tokens the question has.
---@param source ReplySource
---@return integer
local function estimate(source)
  if not source.changed and source.tokens then
    return source.tokens
  end
  local messages = source.messages
  if type(messages) == "userdata" then
    if usage_policy.estimate_kept and not messages:has_parts() then
      local tools = source.tools
      return usage_policy.estimate_kept(messages)
        + (tools and usage_policy.estimate_input({}, tools) or 0)
    end
    source.tables = source.tables or messages:tables()
    messages = source.tables
  end
  return usage_policy.estimate_input(messages, source.tools)
end

--- The settings of retries, which do not change while the server runs.
---@type UpstreamPolicy|nil
local limits

--- Plans by their number of candidates. They differ by chance only: some of
--- them are made, and any of these is as good as a new one. Never changed.
local PLANS_MAX = 16
---@type table<integer, tide.RetryPlan[]>
local plans = {}

---@param count integer candidates
---@return tide.RetryPlan
local function plan(count)
  limits = limits
    or {
      balance = config.get("upstream.balance"),
      retries = config.get("upstream.retries"),
      retry_wait = config.get("upstream.retry_wait"),
      retry_after_max = config.get("upstream.retry_after_max"),
      retry_after_send = config.get("upstream.retry_after_send"),
    }
  plans[count] = plans[count] or {}
  local made = plans[count]
  if #made < PLANS_MAX then
    made[#made + 1] = policy.plan(count, limits, math.random())
    return made[#made]
  end
  return made[math.random(PLANS_MAX)]
end

--- Fills in whom the core asks, and with what.
---@param spec tide.StartSpec changed
---@param model Model
---@param source ReplySource
function M.fill(spec, model, source)
  local provider = model.provider
  spec.counted_as = model.name
  spec.input_estimate = estimate(source)
  if provider.play then
    spec.play = provider.play(
      messages_for(source, provider, provider.play),
      source.persona,
      source.language,
      source
    )
    return
  end
  local fallbacks = model.fallbacks
  if not fallbacks or #fallbacks == 0 then
    describe(spec, model, source)
    spec.retry = plan(1)
    return
  end
  local candidates = { describe({}, model, source) }
  for _, fallback in ipairs(fallbacks) do
    candidates[#candidates + 1] = describe({}, fallback, source)
  end
  spec.candidates = candidates
  spec.retry = plan(#candidates)
end

return M
