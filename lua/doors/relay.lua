--- Requests that are passed on as they came, to the caller's own configuration
--- of their model, and whose answers come back as they are: embeddings,
--- rerankings, moderations.

local completions = require "doors.completions"
local db = require "tide.db"
local errors = require "lib.errors"
local http = require "tide.http"
local json = require "tide.json"
local key_rotation = require "models.key_rotation"
local llm = require "tide.llm"
local log = require "tide.log"
local openai = require "doors.openai"
local own_body = require "models.own_body"
local quota = require "account.quota"
local usage_policy = require "policy.usage"

local M = {}

local LIMIT_MS = 120000
local ANSWER_MAX = 16 << 20

---@class RelayedEndpoint
---@field build string the function of a provider that makes the request
---@field list string the member of a good answer that is a list
---@field unsupported string the error when the provider has no such function
---@field inputs string[] members of the request that have its texts

---@type table<string, RelayedEndpoint>
local ENDPOINTS = {
  embeddings = {
    build = "embed",
    list = "data",
    unsupported = "embeddings_not_supported",
    inputs = { "input" },
  },
  rerank = {
    build = "rerank",
    list = "results",
    unsupported = "rerank_not_supported",
    inputs = { "query", "documents" },
  },
  moderations = {
    build = "moderate",
    list = "results",
    unsupported = "moderations_not_supported",
    inputs = { "input" },
  },
}

--- The decoded answer, when it is one.
---@param answer tide.HttpAnswer
---@param endpoint RelayedEndpoint
---@return table|nil decoded, tide.Error|nil err
local function read(answer, endpoint)
  if answer.status < 200 or answer.status > 299 then
    local err = llm.status_error(answer.status, answer.body)
    err.retry_after = answer.retry_after
    return nil, err
  end
  local decoded = json.decode(answer.body)
  if
    type(decoded) ~= "table" or type(decoded[endpoint.list]) ~= "table"
  then
    return nil, errors.new("upstream_bad_response")
  end
  return decoded
end

--- The tokens that an answer tells of: OpenAI's place first, then those of
--- rerankers.
---@param decoded table
---@return integer|nil tokens nil = it does not tell
local function reported(decoded)
  local usage = type(decoded.usage) == "table" and decoded.usage or {}
  local meta = type(decoded.meta) == "table" and decoded.meta.tokens
  return usage_policy.read_count(usage.prompt_tokens)
    or usage_policy.read_count(usage.total_tokens)
    or type(meta) == "table" and usage_policy.read_count(meta.input_tokens)
    or nil
end

--- Adds the request to the user's usage. The answer is good even if that fails.
---@param user_id integer
---@param body table the request
---@param endpoint RelayedEndpoint
---@param decoded table the answer
local function count(user_id, body, endpoint, decoded)
  local tokens = reported(decoded)
  local estimate = 0
  for _, name in ipairs(tokens and {} or endpoint.inputs) do
    estimate = estimate
      + usage_policy.estimate_texts(openai.inputs(body[name]))
  end
  local _, err = db.write({
    llm.usage_statement({
      user_id = user_id,
      model_name = body.model,
      input_tokens = tokens or estimate,
      estimated = not tokens,
    }),
  }, { user = user_id })
  if err then
    log.error("usage could not be stored", { code = err.code })
  end
end

--- Failures that another key of the configuration may not meet.
local NEXT_KEY = {
  upstream_unauthorized = true,
  upstream_quota_empty = true,
  upstream_rate_limited = true,
}

--- What a provider's script gets.
---@param model Model
---@param key tide.Secret|false
---@param body table
---@return tide.ProviderRequest
local function request_to(model, key, body)
  return setmetatable({
    base_url = model.base_url,
    key = key or nil,
    model = model.upstream_name,
    api_version = model.options and model.options.api_version,
    raw = body.request,
  }, {
    __index = function(_, name)
      return name == "options" and json.decode(body.request) or nil
    end,
  })
end

--- Asks with one key.
---@param model Model
---@param key tide.Secret|false false: without one
---@param body table
---@param endpoint RelayedEndpoint
---@return tide.HttpAnswer|nil answer, tide.Error|nil err those of tide.http
local function ask(model, key, body, endpoint)
  local build = model.provider[endpoint.build]
  local call =
    own_body.with_headers(model, build(request_to(model, key, body)))
  return http.request({
    method = "POST",
    url = call.url,
    headers = call.headers,
    body = json.encode(call.body),
    timeout_ms = LIMIT_MS,
    max_bytes = ANSWER_MAX,
  })
end

--- Asks, with the next key where one is refused.
---@param model Model
---@param body table
---@param endpoint RelayedEndpoint
---@return tide.HttpAnswer|nil answer
---@return table|tide.Error decoded its body, or the error
local function ask_in_turn(model, body, endpoint)
  local keys = key_rotation.order(model)
  local err
  for i = 1, math.max(#keys, 1) do
    local answer, failed = ask(model, keys[i] or false, body, endpoint)
    if not answer then
      return nil, failed
    end
    local decoded, refused = read(answer, endpoint)
    if decoded then
      return answer, decoded
    end
    err = refused
    if not NEXT_KEY[err.code] then
      break
    end
  end
  return nil, err
end

--- Passes a request on; yields.
---@param user_id integer
---@param body table the request, checked
---@param name "embeddings"|"rerank"|"moderations"
---@return string|nil text the answer's JSON
---@return tide.Error|nil err model_not_found, …_not_supported, limit_reached,
--- those of tide.http and of upstreams
function M.send(user_id, body, name)
  local endpoint = ENDPOINTS[name]
  local model, unknown = completions.resolve(user_id, body.model)
  if not model then
    return nil, unknown
  elseif not model.provider[endpoint.build] then
    return nil, errors.new(endpoint.unsupported, {
      field = "model",
      model_name = body.model,
    })
  end
  local free, exceeded = quota.check(user_id, model.name)
  if not free then
    return nil, exceeded
  end
  local answer, decoded = ask_in_turn(model, body, endpoint)
  if not answer then
    return nil, decoded
  end
  count(user_id, body, endpoint, decoded)
  return answer.body
end

return M
