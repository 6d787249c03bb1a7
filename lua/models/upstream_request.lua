--- Fills in the part of a tide.StartSpec that says where a reply comes from:
--- a text that the core plays, or the requests to upstreams, which are sent one
--- after the other until one of them begins to answer.

local config = require "tide.config"
local conversations = require "tide.messages"
local key_rotation = require "models.key_rotation"
local llm = require "tide.llm"
local model_options = require "models.model_options"
local own_body = require "models.own_body"
local policy = require "policy.upstream"
local reasoning_back = require "models.reasoning_back"
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
---@field wanted? ModelOptions of the session and of the request, over those of
--- the configuration
---@field reasoning? CallReasoning of its messages, for providers that want it
---@field tables? tide.ChatMessage[] the messages, once somebody needed tables
---@field limit? integer ms for all of it, when the configurations' is longer

--- The deadlines of a configuration, with those of a session or a request over
--- them, and with a limit besides.
---@param model Model
---@param wanted ApiDeadlines|nil
---@param limit integer|nil ms
---@return ApiDeadlines
local function deadlines_of(model, wanted, limit)
  local own = model.deadlines
  if not limit and not wanted then
    return own
  end
  wanted = wanted or {}
  local total = wanted.total or own.total
  return {
    connect = wanted.connect or own.connect,
    first_byte = wanted.first_byte or own.first_byte,
    between = wanted.between or own.between,
    total = limit and math.min(total or limit, limit) or total,
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
---@param func function
---@return boolean
local function takes_kept(provider, func)
  return provider.takes_kept ~= nil and provider.takes_kept == func
end

--- Messages as a function of a provider takes them.
---@param source ReplySource changed
---@param provider tide.Provider
---@param func function its build or play
---@return tide.Messages|tide.ChatMessage[]
local function messages_for(source, provider, func)
  local messages = source.messages
  if type(messages) ~= "userdata" or takes_kept(provider, func) then
    return messages
  end
  source.tables = source.tables or messages:tables()
  return source.tables
end

--- Says whose request it is.
---@param candidate tide.Candidate changed
---@param model Model
local function say_whose(candidate, model)
  candidate.configuration, candidate.model = model.id, model.name
  candidate.version, candidate.refused = model.version, model.refused
end

--- What all requests to a model have in common, by its key: one that was opened
--- anew has a new one.
---@type table<tide.Secret, tide.Template>
local templates = setmetatable({}, { __mode = "k" })

---@param model Model
---@param key tide.Secret one of its keys
---@return tide.Template
local function template_of(model, key)
  local template = templates[key]
  if not template then
    local built = own_body.build(model, {
      base_url = model.base_url,
      key = key,
      model = model.upstream_name,
      messages = conversations.new(),
    }, model.options)
    built.provider, built.deadlines = model.provider, model.deadlines
    say_whose(built, model)
    template = llm.template(built)
    templates[key] = template
  end
  return template
end

--- Whether requests like this one to a model differ by the body only.
---@param model Model
---@param source ReplySource
---@return boolean
local function has_template(model, source)
  return takes_kept(model.provider, model.provider.build)
    and not source.limit
    and not source.wanted
end

--- Whether a request differs from others to its model by the messages only.
---@param model Model
---@param source ReplySource
---@return boolean
local function fits_template(model, source)
  return not source.raw
    and has_template(model, source)
    and type(source.messages) == "userdata"
    and not (source.tools or source.tool_choice)
    and not (source.max_tokens or source.options)
    and not source.messages:has_parts()
end

--- What requests with several keys have in common.
local COMMON = {
  "provider",
  "url",
  "deadlines",
  "configuration",
  "model",
  "version",
  "refused",
}

--- Messages with their reasoning, if the provider wants it.
---@param source ReplySource
---@param provider tide.Provider
---@param messages tide.Messages|tide.ChatMessage[]|nil nil: those of `raw`
---@return tide.Messages|tide.ChatMessage[]|nil
local function reasoned(source, provider, messages)
  local reasoning = source.reasoning
  if not reasoning_back.is_wanted(provider, reasoning) then
    return messages
  end
  messages = messages or source.messages
  if type(messages) == "userdata" then
    messages = messages:tables()
  end
  return reasoning_back.add(messages, reasoning)
end

--- Fills in the request to one configuration.
---@param into table changed: a tide.Candidate, or a tide.StartSpec of one
---@param model Model
---@param source ReplySource
---@param key tide.Secret|nil one of its keys
---@return table into
local function describe(into, model, source, key)
  if key and fits_template(model, source) then
    into.template, into.messages = template_of(model, key), source.messages
    return into
  end
  local provider = model.provider
  local request = {
    base_url = model.base_url,
    key = key,
    model = model.upstream_name,
  }
  if M.speaks(provider, source.came) then
    request.raw, request.messages = source.came.request, source.changed
    request.raw_headers = source.came.headers
  elseif source.raw and takes_raw(provider, "chat") then
    request.raw = source.raw
    request.messages = reasoned(source, provider, source.changed)
  else
    request.messages = messages_for(source, provider, provider.build)
    request.messages = reasoned(source, provider, request.messages)
    request.tools = source.tools
    request.tool_choice = source.tool_choice
    request.max_tokens = source.max_tokens
    request.options = source.options
  end
  local wanted = source.wanted
  local options = wanted and model_options.merge(model.options, wanted)
    or model.options
  local built = own_body.build(model, request, options)
  if
    key
    and request.raw
    and not request.raw_headers
    and has_template(model, source)
  then
    into.template, into.body = template_of(model, key), built.body
    return into
  end
  into.provider = provider
  say_whose(into, model)
  into.url, into.headers, into.body = built.url, built.headers, built.body
  into.deadlines =
    deadlines_of(model, wanted and wanted.deadlines, source.limit)
  return into
end

--- The same request with another key.
---@param first tide.Candidate
---@param number integer its place in the list
---@param model Model
---@param keys tide.Secret[] the first one's, and the other one's
---@return tide.Candidate
local function with_key(first, number, model, keys)
  local other = { body_of = number, group = model.id }
  if first.template then
    other.template = template_of(model, keys[2])
    return other
  end
  for _, name in ipairs(COMMON) do
    other[name] = first[name]
  end
  other.headers = key_rotation.with_key(first.headers, keys[1], keys[2])
  return other
end

--- Adds the requests to one configuration: one for each of its keys.
---@param candidates tide.Candidate[] changed
---@param model Model
---@param source ReplySource
local function add(candidates, model, source)
  local keys = key_rotation.order(model)
  local first = describe({}, model, source, keys[1])
  local number = #candidates + 1
  candidates[number] = first
  if #keys > 1 then
    first.group = model.id
  end
  for i = 2, #keys do
    local other = with_key(first, number, model, { keys[1], keys[i] })
    candidates[#candidates + 1] = other
  end
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

--- What the core takes.
local CANDIDATES_MAX = 16

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
  if (not fallbacks or #fallbacks == 0) and #model.keys < 2 then
    describe(spec, model, source, model.key)
    spec.retry = plan(1)
    return
  end
  local candidates = {}
  add(candidates, model, source)
  for _, fallback in ipairs(fallbacks) do
    if #candidates + math.max(#fallback.keys, 1) <= CANDIDATES_MAX then
      add(candidates, fallback, source)
    end
  end
  spec.candidates = candidates
  spec.retry = plan(#candidates)
end

return M
