--- The caller's personal API keys.

local body_limits = require "web.body_limits"
local account_objects = require "account.objects"
local api_keys = require "account.api_keys"
local fields = require "web.fields"
local objects = require "web.objects"
local texts = require "lib.texts"

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.create(req)
  local row, err = api_keys.create_key(req.user.id, req.body.name)
  if not row then
    return nil, err
  end
  local answer = account_objects.key(row)
  answer.key = row.key
  return { json = answer }
end

function handlers.list(req)
  local rows, err = api_keys.get_keys(req.user.id)
  if not rows then
    return nil, err
  end
  return { json = { data = objects.map(rows, account_objects.key) } }
end

function handlers.delete(req)
  local ok, err = api_keys.delete_key(req.user.id, req.args.id)
  if not ok then
    return nil, err
  end
  return { json = { message = texts.get(req.language, "key_deleted") } }
end

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/api/keys",
    auth = "user",
    summary = "Create a personal API key; it is shown only this once",
    body_max = body_limits.SHORT,
    request = { fields = { fields.line("name", 100, { required = true }) } },
    response = account_objects.new_key_schema,
    handler = handlers.create,
  },
  {
    method = "GET",
    path = "/api/keys",
    auth = "user",
    summary = "The personal API keys, newest first, without the keys",
    response = objects.object({
      data = objects.list(account_objects.key_schema),
    }),
    handler = handlers.list,
  },
  {
    method = "DELETE",
    path = "/api/keys/:id",
    auth = "user",
    summary = "End a personal API key at once",
    params = { fields = { fields.id("id") } },
    response = objects.object({ message = "string" }),
    handler = handlers.delete,
  },
}
