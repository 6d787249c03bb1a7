--- tide.models: see types/models.lua.

local arguments = require "lib.arguments"
local errors = require "lib.errors"
local json = require "tide.json"
local known_models = require "models.known_models"
local models = require "models.models"
local relay = require "doors.relay"
local usage_policy = require "policy.usage"

local M = {}

local check, check_one = arguments.check, arguments.check_one

---@param name string
---@param upstream_name string
---@param provider string
---@return tide.ModelInfo
local function about(name, upstream_name, provider)
  return {
    name = name,
    upstream_name = upstream_name,
    provider = provider,
    kind = known_models.kind(upstream_name),
    context_window = known_models.context_window(upstream_name, provider),
  }
end

function M.list(user)
  check_one("models.list", "user", user, "integer")
  local rows, err = models.get_models(user)
  if not rows then
    return nil, err
  end
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = about(row.model_name, row.upstream_name, row.provider)
  end
  return list
end

function M.resolve(user, name)
  check_one("models.resolve", "user", user, "integer")
  check_one("models.resolve", "name", name, "string")
  local model, err = models.resolve(user, name)
  if not model then
    return nil, err
  end
  local info = about(model.name, model.upstream_name, model.provider.name)
  info.takes_images = model.takes_images
  return info
end

--- What an upstream answered, decoded.
---@param user integer
---@param body table as OpenAI has it
---@param endpoint "embeddings"|"rerank"
---@return table|nil answer, tide.Error|nil err
local function send(user, body, endpoint)
  body.request = json.raw(json.encode(body))
  local text, err = relay.send(user, body, endpoint)
  return text and json.decode(text), err
end

local EMBED = { user = "integer", model = "string", input = "string|table" }

function M.embed(spec)
  check("models.embed", spec, EMBED)
  local answer, err =
    send(spec.user, { model = spec.model, input = spec.input }, "embeddings")
  if not answer then
    return nil, err
  end
  local vectors = json.array({})
  for i, item in ipairs(answer.data) do
    local vector = type(item) == "table" and item.embedding
    if type(vector) ~= "table" then
      return nil, errors.new("upstream_bad_response")
    end
    vectors[1 + (math.tointeger(item.index) or i - 1)] = vector
  end
  return vectors
end

local RERANK = {
  user = "integer",
  model = "string",
  query = "string",
  documents = "table",
  top_n = "integer?",
}

function M.rerank(spec)
  check("models.rerank", spec, RERANK)
  local answer, err = send(spec.user, {
    model = spec.model,
    query = spec.query,
    documents = json.array(spec.documents),
    top_n = spec.top_n,
  }, "rerank")
  if not answer then
    return nil, err
  end
  local ranked = json.array({})
  for i, item in ipairs(answer.results) do
    local index = type(item) == "table" and math.tointeger(item.index)
    if not index then
      return nil, errors.new("upstream_bad_response")
    end
    ranked[i] = { index = index + 1, score = item.relevance_score }
  end
  return ranked
end

function M.tokens(what)
  check_one("models.tokens", "what", what, "string|table")
  if type(what) == "string" then
    return usage_policy.estimate_texts({ what })
  end
  return usage_policy.estimate_input(what)
end

return M
