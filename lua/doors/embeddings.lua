--- Embeddings for clients of OpenAI's API: one request to the caller's own
--- configuration of that model; its answer is passed on as it is.

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

--- The answer's text, when it is one.
---@param answer tide.HttpAnswer
---@return table|nil decoded, tide.Error|nil err
local function read(answer)
  if answer.status < 200 or answer.status > 299 then
    local err = llm.status_error(answer.status, answer.body)
    err.retry_after = answer.retry_after
    return nil, err
  end
  local decoded = json.decode(answer.body)
  if type(decoded) ~= "table" or type(decoded.data) ~= "table" then
    return nil, errors.new("upstream_bad_response")
  end
  return decoded
end

--- Adds the request to the user's usage. The answer is good even if that fails.
---@param user_id integer
---@param body table the request
---@param decoded table the answer
local function count(user_id, body, decoded)
  local usage = decoded.usage
  local reported = type(usage) == "table"
    and usage_policy.read_count(usage.prompt_tokens)
  local _, err = db.write({
    llm.usage_statement({
      user_id = user_id,
      model_name = body.model,
      input_tokens = reported
        or usage_policy.estimate_texts(openai.inputs(body.input)),
      estimated = not reported,
    }),
  })
  if err then
    log.error("usage could not be stored", { code = err.code })
  end
end

--- Failures that another key may not meet.
local NEXT_KEY = {
  upstream_unauthorized = true,
  upstream_quota_empty = true,
  upstream_rate_limited = true,
}

---@param model Model
---@return (tide.Secret|false)[] keys false: it is asked without one
local function keys_of(model)
  local keys = key_rotation.order(model)
  return #keys > 0 and keys or { false }
end

---@param model Model
---@param key tide.Secret|false
---@param body table the request
---@return tide.HttpAnswer|nil answer, tide.Error|nil err those of tide.http
local function ask(model, key, body)
  local built = model.provider.embed(setmetatable({
    base_url = model.base_url,
    key = key or nil,
    model = model.upstream_name,
    raw = body.request,
  }, {
    __index = function(_, name)
      return name == "options" and json.decode(body.request) or nil
    end,
  }))
  local call = own_body.with_headers(model, built)
  return http.request({
    method = "POST",
    url = call.url,
    headers = call.headers,
    body = json.encode(call.body),
    timeout_ms = LIMIT_MS,
    max_bytes = ANSWER_MAX,
  })
end

--- Asks for embeddings; yields.
---@param user_id integer
---@param body table the request, checked
---@return string|nil text the answer's JSON
---@return tide.Error|nil err model_not_found, embeddings_not_supported,
--- limit_reached, those of tide.http and of upstreams
function M.create(user_id, body)
  local model, unknown = completions.resolve(user_id, body.model)
  if not model then
    return nil, unknown
  elseif not model.provider.embed then
    return nil, errors.new("embeddings_not_supported", {
      field = "model",
      model_name = body.model,
    })
  end
  local free, exceeded = quota.check(user_id, model.name)
  if not free then
    return nil, exceeded
  end
  local answer, decoded, failed
  for _, key in ipairs(keys_of(model)) do
    answer, failed = ask(model, key, body)
    if not answer then
      return nil, failed
    end
    decoded, failed = read(answer)
    if decoded or not NEXT_KEY[failed.code] then
      break
    end
  end
  if not decoded then
    return nil, failed
  end
  count(user_id, body, decoded)
  return answer.body
end

return M
