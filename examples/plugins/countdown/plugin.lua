--- A page of one's own, and a stream of events of one's own that it shows. The
--- id of an event says how far it is: a browser that was cut off comes back
--- with the last one it got, and the countdown goes on there.

local time = require "tide.time"

local PAGE = [[
<!doctype html>
<title>Countdown</title>
<p id="number">…</p>
<script>
  const events = new EventSource("api/countdown?from=10");
  const number = document.getElementById("number");
  const show = (event) => { number.textContent = event.data; };
  events.addEventListener("message", show);
  events.addEventListener("tide", (last) => { show(last); events.close(); });
</script>
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
      summary = "Counts down, one event per second",
      query = {
        fields = {
          { name = "from", type = "integer", min = 1, max = 60, default = 5 },
        },
      },
      handler = function(req)
        local last = tonumber(req:header("Last-Event-ID"))
        return {
          events = function(send)
            for number = last and last - 1 or req.args.from, 1, -1 do
              if not send({ id = number, data = tostring(number) }) then
                return -- other scripts serve: the browser comes back to them
              end
              time.sleep(1000)
            end
            send({ event = "tide", data = "high tide" })
          end,
        }
      end,
    },
  },
}
