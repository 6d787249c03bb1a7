--- The OpenAI door: what stock clients of OpenAI's API need, for the caller's
--- own models. A token or a personal API key opens it; see docs/openai.md.

local body_limits = require "web.body_limits"
local completions = require "doors.completions"
local conversation = require "doors.conversation"
local embeddings = require "doors.embeddings"
local errors = require "lib.errors"
local fields = require "web.fields"
local json = require "tide.json"
local messages = require "doors.messages"
local models = require "models.models"
local objects = require "web.objects"
local openai = require "doors.openai"
local relay = require "doors.relay"
local time = require "tide.time"

local JSON = "application/json; charset=utf-8"

--- What is read of a request; all of it is passed on as it came.
local CHAT = {
  once = true,
  whole = "request",
  fields = {
    fields.line("model", 200, { required = true }),
    conversation.messages(),
    { name = "stream", type = "boolean" },
    {
      name = "stream_options",
      type = "object",
      fields = { { name = "include_usage", type = "boolean" } },
    },
    { name = "n", type = "integer" },
    { name = "logprobs", type = "json" },
    { name = "modalities", type = "json" },
    { name = "max_tokens", type = "json" },
    { name = "max_completion_tokens", type = "json" },
    conversation.tools(),
    { name = "tool_choice", type = "json" },
  },
}

local EMBEDDINGS = {
  once = true,
  whole = "request",
  fields = {
    fields.line("model", 200, { required = true }),
    { name = "input", type = "json", keep_null = true },
  },
}

local RERANK = {
  once = true,
  whole = "request",
  fields = {
    fields.line("model", 200, { required = true }),
    { name = "query", type = "json", required = true },
    { name = "documents", type = "json", required = true },
  },
}

local MODERATIONS = {
  once = true,
  whole = "request",
  fields = {
    fields.line("model", 200, { default = "omni-moderation-latest" }),
    { name = "input", type = "json", required = true },
  },
}

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.chat(req)
  local keyed = req:header("Idempotency-Key") ~= nil
  if keyed and req.body.stream then
    return nil, errors.new("idempotency_stream", { field = "stream" })
  end
  return completions.answer(req, req.body, {
    -- Who comes back with a key is answered: that reply goes on alone.
    disconnect = keyed and "detach" or "cancel",
    completion = {
      form = "chat",
      id = "chatcmpl-" .. req.id,
      created = time.unix(),
      model = req.body.model,
    },
  })
end

function handlers.embed(req)
  if req.body.input == nil then
    return nil, errors.new("missing_field", { field = "input" })
  end
  local text, err = embeddings.create(req.user.id, req.body)
  return text and { body = text, content_type = JSON }, err
end

--- Clients of Anthropic's API ask for models at the same address.
---@param req tide.Request
---@return boolean
local function is_anthropic(req)
  return req:header("anthropic-version") ~= nil
end

---@param value table
---@return tide.Response
local function as_anthropic(value)
  return { body = json.encode(value), content_type = JSON }
end

--- Passes a request on as it came.
---@param name "rerank"|"moderations"
---@return fun(req: tide.Request): tide.Response|nil, tide.Error|nil
local function relaying(name)
  return function(req)
    local text, err = relay.send(req.user.id, req.body, name)
    return text and { body = text, content_type = JSON }, err
  end
end

handlers.rerank = relaying("rerank")
handlers.moderate = relaying("moderations")

function handlers.list_models(req)
  local rows, err = models.get_models(req.user.id)
  if not rows then
    return nil, err
  elseif is_anthropic(req) then
    return as_anthropic(messages.models(rows))
  end
  return {
    json = { object = "list", data = objects.map(rows, openai.model) },
  }
end

function handlers.get_model(req)
  local rows, err = models.get_models(req.user.id)
  for _, row in ipairs(rows or {}) do
    if row.model_name == req.args.model then
      if is_anthropic(req) then
        return as_anthropic(messages.model(row))
      end
      return { json = openai.model(row) }
    end
  end
  return nil,
    err or errors.new("model_not_found", { model_name = req.args.model })
end

local MODEL = objects.object({
  id = "string",
  object = "string",
  created = "integer",
  owned_by = "string",
  type = "string",
  context_window = "integer",
})

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/v1/chat/completions",
    auth = "user",
    idempotent = true,
    api_keys = true,
    summary = "OpenAI's chat completions, for the caller's models",
    request = CHAT,
    body_max = body_limits.CONVERSATION,
    answer = "OpenAI's object, or its chunks as a stream, see openai.md",
    handler = handlers.chat,
  },
  {
    method = "POST",
    path = "/v1/embeddings",
    auth = "user",
    api_keys = true,
    summary = "OpenAI's embeddings, for the caller's models",
    request = EMBEDDINGS,
    body_max = body_limits.CONVERSATION,
    answer = "the upstream's answer, see openai.md",
    handler = handlers.embed,
  },
  {
    method = "POST",
    path = "/v1/rerank",
    auth = "user",
    api_keys = true,
    summary = "Documents by how well they fit a query, for the caller's models",
    request = RERANK,
    body_max = body_limits.CONVERSATION,
    answer = "the upstream's answer, see openai.md",
    handler = handlers.rerank,
  },
  {
    method = "POST",
    path = "/v1/moderations",
    auth = "user",
    api_keys = true,
    summary = "OpenAI's moderations, for the caller's models",
    request = MODERATIONS,
    body_max = body_limits.CONVERSATION,
    answer = "the upstream's answer, see openai.md",
    handler = handlers.moderate,
  },
  {
    method = "GET",
    path = "/v1/models",
    auth = "user",
    api_keys = true,
    summary = "The caller's models as OpenAI lists them",
    response = objects.object({
      object = "string",
      data = objects.list(MODEL),
    }),
    handler = handlers.list_models,
  },
  {
    method = "GET",
    path = "/v1/models/:model",
    auth = "user",
    api_keys = true,
    summary = "One of the caller's models",
    params = { fields = { fields.name("model") } },
    response = MODEL,
    handler = handlers.get_model,
  },
}
