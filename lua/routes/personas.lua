--- The personas of style.yaml.

local objects = require "lib.objects"
local session_manager = require "session_manager"

local function list()
  return { json = { data = session_manager.get_available_personas() } }
end

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/personas",
    auth = "user",
    summary = "The names of the personas, in file order",
    response = objects.object({ data = objects.list({ type = "string" }) }),
    handler = list,
  },
}
