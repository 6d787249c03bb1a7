--- A plugin that builds on another one and can be handed to others: it says
--- which plugin must be there, in which version, and what can be set. Shows the
--- notices as a page; its button keeps in a cookie which ones were seen.

local config = require "tide.config"
local db = require "tide.db"
local template = require "tide.template"

local NEWEST = "SELECT id, text FROM notices_texts ORDER BY id DESC LIMIT 20"

local PAGE = template.new([[
<!doctype html>
<link rel="stylesheet" href="board.css">
<h1>{{heading}}</h1>
{{#rows}}<p{{#new}} class="new"{{/new}}>{{text}}</p>
{{/rows}}
<form method="post"><button name="id" value="{{newest}}">Seen</button></form>
]])

local function show(req)
  local rows, err = db.query(NEWEST)
  if not rows then
    return nil, err
  end
  for _, row in ipairs(rows) do
    row.new = row.id > (tonumber(req:cookie("seen")) or 0)
  end
  local values = {
    heading = config.get("plugins.board.heading"),
    newest = rows[1] and rows[1].id or 0,
    rows = rows,
  }
  return {
    body = PAGE:render(values),
    content_type = "text/html; charset=utf-8",
  }
end

return {
  api = 1,
  version = "1.0",
  requires = { "notices >= 1.0" },
  settings = { heading = { type = "string", default = "Notices" } },
  static = { path = "/board" },
  routes = {
    { method = "GET", path = "/board/notices", auth = "none",
      summary = "The notices as a page", handler = show },
    { method = "POST", path = "/board/notices", auth = "none",
      summary = "All up to this one were seen",
      form = {
        fields = { { name = "id", type = "integer", required = true } },
      },
      handler = function(req)
        return { redirect = "/board/notices",
          cookies = { seen = tostring(req.form.id) } }
      end },
  },
}
