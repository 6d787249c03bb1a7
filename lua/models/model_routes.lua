--- The models that the caller can talk to.

local models = require "models.models"
local objects = require "web.objects"

local MODEL = objects.object({
  model_name = "string",
  provider = "string",
  builtin = "boolean",
})

---@param model table
---@return table
local function shown(model)
  return {
    model_name = model.model_name,
    provider = model.provider,
    builtin = model.builtin,
  }
end

---@param req tide.Request
local function list(req)
  local rows, err = models.get_models(req.user.id)
  if not rows then
    return nil, err
  end
  return { json = { data = objects.map(rows, shown) } }
end

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/models",
    auth = "user",
    summary = "The caller's models and demo",
    response = objects.object({ data = objects.list(MODEL) }),
    handler = list,
  },
}
