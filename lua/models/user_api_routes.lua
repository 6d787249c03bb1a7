--- The caller's own API configurations.

local api_secrets = require "models.api_secrets"
local api_test = require "models.api_test"
local body_limits = require "web.body_limits"
local fields = require "web.fields"
local model_list = require "models.model_list"
local model_objects = require "models.objects"
local model_options = require "models.model_options"
local objects = require "web.objects"
local registry = require "providers.registry"
local texts = require "lib.texts"
local user_apis = require "models.user_apis"

local ONE = objects.object({ api = model_objects.api_schema })
local CHANGED = objects.object({
  message = "string",
  api = model_objects.api_schema,
})

--- Its characters, and whether there must be one: see models/user_apis.
local KEY = {
  name = "api_key",
  type = "string",
  max = 1000,
  empty_is_absent = true,
}

local PROVIDER = {
  name = "provider",
  type = "string",
  enum = registry.names(),
  empty_is_absent = true,
}

local API_VERSION = {
  name = "api_version",
  type = "string",
  max = 40,
  pattern = "^[%w.-]+$",
}

--- A header's name -> its value.
local HEADERS = { name = "headers", type = "object", open = true, fields = {} }

--- The fields of a configuration. In a change an empty text counts as not
--- given, like in every other request; base_url alone can be cleared.
---@param required boolean
---@return Schema
local function configuration(required)
  local more = { required = required, empty_is_absent = true }
  return {
    fields = {
      fields.line("api_name", 100, more),
      KEY,
      fields.line("model_name", 200, more),
      fields.line("base_url", 2000, { aliases = { "BaseUrl", "baseUrl" } }),
      PROVIDER,
      model_options.deadlines_field(),
      fields.line("upstream_model", 200),
      {
        name = "api_keys",
        type = "array",
        max = api_secrets.MORE_KEYS_MAX,
        items = { type = "string", max = 1000 },
      },
      model_options.field(API_VERSION),
      HEADERS,
      { name = "replace_headers", type = "boolean" },
    },
  }
end

--- An answer with one configuration.
---@param row table|nil
---@param err tide.Error|nil
---@param message string|nil
---@return tide.Response|nil, tide.Error|nil
local function answer(row, err, message)
  if not row then
    return nil, err
  end
  return { json = { message = message, api = model_objects.api(row) } }
end

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.list(req)
  local rows, err = user_apis.get_user_apis(req.user.id)
  if not rows then
    return nil, err
  end
  local apis = objects.map(rows, model_objects.api)
  return { json = { apis = apis, count = #rows } }
end

function handlers.create(req)
  local row, err =
    user_apis.create_api(req.user.id, req.body, req.language)
  return answer(row, err, texts.get(req.language, "api_created"))
end

function handlers.first(req)
  return answer(user_apis.get_first_available_api(req.user.id))
end

function handlers.by_name(req)
  return answer(user_apis.get_api_by_name(req.user.id, req.args.name))
end

function handlers.update(req)
  local row, err =
    user_apis.update_api(req.user.id, req.args.id, req.body, req.language)
  return answer(row, err, texts.get(req.language, "api_updated"))
end

function handlers.delete(req)
  local ok, err = user_apis.delete_api(req.user.id, req.args.id)
  if not ok then
    return nil, err
  end
  return { json = { message = texts.get(req.language, "api_deleted") } }
end

function handlers.models(req)
  local names, err = model_list.fetch(req.user.id, req.body, req.language)
  if not names then
    return nil, err
  end
  return { json = { models = names } }
end

function handlers.test(req)
  local row, err = user_apis.get_api_by_id(req.user.id, req.args.id)
  if not row then
    return nil, err
  end
  local result, refused = api_test.test_api_connection(row)
  if not result then
    return nil, refused
  end
  return { json = result }
end

local BY_ID = { fields = { fields.id("id") } }

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/user/apis",
    auth = "user",
    summary = "All configurations, newest first",
    response = objects.object({
      apis = objects.list(model_objects.api_schema),
      count = "integer",
    }),
    handler = handlers.list,
  },
  {
    method = "POST",
    path = "/api/user/apis",
    auth = "user",
    summary = "Store a configuration",
    body_max = body_limits.FORM,
    request = configuration(true),
    response = CHANGED,
    handler = handlers.create,
  },
  {
    method = "GET",
    path = "/api/user/apis/first",
    auth = "user",
    summary = "The oldest configuration",
    response = ONE,
    handler = handlers.first,
  },
  {
    method = "GET",
    path = "/api/user/apis/:name",
    auth = "user",
    summary = "A configuration by its name (a number is a name here)",
    params = { fields = { fields.name("name") } },
    response = ONE,
    handler = handlers.by_name,
  },
  {
    method = "PUT",
    path = "/api/user/apis/:id",
    auth = "user",
    summary = "Change what is given; base_url \"\" clears it",
    params = BY_ID,
    body_max = body_limits.FORM,
    request = configuration(false),
    response = CHANGED,
    handler = handlers.update,
  },
  {
    method = "DELETE",
    path = "/api/user/apis/:id",
    auth = "user",
    summary = "Delete a configuration",
    params = BY_ID,
    response = objects.object({ message = "string" }),
    handler = handlers.delete,
  },
  {
    method = "POST",
    path = "/api/user/apis/models",
    auth = "user",
    summary = "The models that a provider offers: of a stored configuration "
      .. "(id), of one that is being filled in, or of both together",
    body_max = body_limits.FORM,
    request = {
      fields = {
        { name = "id", type = "integer", min = 1 },
        PROVIDER,
        fields.line("base_url", 2000, { aliases = { "BaseUrl", "baseUrl" } }),
        KEY,
        API_VERSION,
        HEADERS,
        { name = "replace_headers", type = "boolean" },
      },
    },
    response = objects.object({ models = objects.list({ type = "string" }) }),
    handler = handlers.models,
  },
  {
    method = "POST",
    path = "/api/user/apis/:id/test",
    auth = "user",
    summary = "Test the connection: request one token from the provider",
    params = BY_ID,
    body_max = body_limits.SHORT,
    request = { fields = {} },
    response = objects.object({
      ok = "boolean",
      status = "integer",
      code = "string",
      detail = "string",
      latency_ms = "integer",
      ttft_ms = "integer",
    }),
    handler = handlers.test,
  },
}
