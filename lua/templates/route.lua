--- A route that says a text back. lua/types/route.lua lists what a route may
--- have.

---@param req tide.Request
---@return tide.Response
local function say(req)
  return { json = { user = req.user.username, text = req.body.text } }
end

---@type tide.Plugin
return {
  api = 1,
  routes = {
    {
      method = "POST",
      path = "/api/sample",
      auth = "user",
      summary = "Say a text back",
      request = {
        fields = {
          { name = "text", type = "string", required = true, max = 200 },
        },
      },
      response = {
        type = "object",
        fields = {
          { name = "user", type = "string" },
          { name = "text", type = "string" },
        },
      },
      handler = say,
    },
  },
}
