--- A page of one's own, and a stream of one's own that it shows: pieces of the
--- body are sent as they are written.

local time = require "tide.time"

local PAGE = [[
<!doctype html>
<title>Countdown</title>
<p>Open <a href="/api/countdown?from=5">the countdown</a>, or read it with
<code>curl -N</code>.
]]

return {
  api = 1,
  routes = {
    {
      method = "GET",
      path = "/countdown",
      auth = "none",
      summary = "The page of the countdown",
      handler = function()
        return { body = PAGE, content_type = "text/html; charset=utf-8" }
      end,
    },
    {
      method = "GET",
      path = "/api/countdown",
      auth = "none",
      summary = "Counts down, one line per second",
      query = {
        fields = {
          { name = "from", type = "integer", min = 1, max = 60, default = 5 },
        },
      },
      handler = function(req)
        return {
          content_type = "text/plain; charset=utf-8",
          chunks = function(write)
            for number = req.args.from, 1, -1 do
              write(number .. "\n")
              time.sleep(1000)
            end
            write("high tide\n")
          end,
        }
      end,
    },
  },
}
