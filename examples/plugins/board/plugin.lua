--- A plugin that builds on another one and can be handed to others: it says
--- which plugin must be there, in which version, and what can be set. Shows the
--- notices as a page.

local config = require "tide.config"
local db = require "tide.db"

local NEWEST = "SELECT text FROM notices_texts ORDER BY id DESC LIMIT 20"
local ESCAPED = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

return {
  api = 1,
  version = "1.0",
  requires = { "notices >= 1.0" },
  settings = {
    heading = { type = "string", default = "Notices" },
  },
  routes = {
    {
      method = "GET",
      path = "/board",
      auth = "none",
      summary = "The notices as a page",
      handler = function()
        local rows, err = db.query(NEWEST)
        if not rows then
          return nil, err
        end
        local heading = config.get("plugins.board.heading")
        local lines = { "<h1>" .. heading .. "</h1>" }
        for _, row in ipairs(rows) do
          lines[#lines + 1] = "<p>" .. row.text:gsub("[&<>]", ESCAPED) .. "</p>"
        end
        return {
          body = "<!doctype html>\n" .. table.concat(lines, "\n") .. "\n",
          content_type = "text/html; charset=utf-8",
        }
      end,
    },
  },
}
