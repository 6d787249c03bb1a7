--- The personas of style.yaml, and for the operator which one is the default.

local body_limits = require "web.body_limits"
local objects = require "web.objects"
local personas = require "chat.personas"
local session_manager = require "chat.session_manager"

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.list()
  return {
    json = {
      data = session_manager.get_available_personas(),
      personas = personas.get_personas(),
    },
  }
end

function handlers.get_default()
  local name, err = personas.get_default_persona()
  if not name then
    return nil, err
  end
  return { json = { persona = name } }
end

function handlers.set_default(req)
  local ok, err = personas.set_default_persona(req.body.persona)
  if not ok then
    return nil, err
  end
  return { json = { persona = req.body.persona } }
end

local ONE = objects.object({ persona = "string" })

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/personas",
    auth = "user",
    summary = "The personas in file order: their names, and with their texts",
    response = objects.object({
      data = objects.list({ type = "string" }),
      personas = objects.list(objects.object({
        name = "string",
        content = "string",
      })),
    }),
    handler = handlers.list,
  },
  {
    method = "GET",
    path = "/admin/personas/default",
    auth = "none",
    listener = "admin",
    summary = "The persona of new sessions that name none",
    response = ONE,
    handler = handlers.get_default,
  },
  {
    method = "PUT",
    path = "/admin/personas/default",
    auth = "none",
    listener = "admin",
    summary = "Set the persona of new sessions that name none",
    body_max = body_limits.SHORT,
    request = {
      fields = {
        { name = "persona", type = "string", required = true, max = 100 },
      },
    },
    response = ONE,
    handler = handlers.set_default,
  },
}
