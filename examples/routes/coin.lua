--- GET /api/coin tosses a coin. To use it, copy it to lua/routes/ and name it
--- in lua/app.lua: require "routes.coin",

return {
  {
    method = "GET",
    path = "/api/coin",
    auth = "user",
    summary = "Toss a coin",
    handler = function()
      return { json = { side = math.random(2) == 1 and "heads" or "tails" } }
    end,
  },
}
