--- Notices that administrators write and all users read, in a table of its own.

local db = require "tide.db"
local json = require "tide.json"
local time = require "tide.time"

local INSERT =
  "INSERT INTO notices_texts (user_id, text, created_at) VALUES (?, ?, ?)"
local NEWEST =
  "SELECT id, text, created_at FROM notices_texts ORDER BY id DESC LIMIT 20"

return {
  api = 1,
  version = "1.0",
  routes = {
    {
      method = "POST",
      path = "/api/admin/notices",
      auth = "admin",
      summary = "Write a notice",
      request = {
        fields = {
          { name = "text", type = "string", required = true, max = 500 },
        },
      },
      handler = function(req)
        local values = { req.user.id, req.body.text, time.now() }
        local done, err = db.write({ { INSERT, values } })
        return done and { json = { id = done[1].id } }, err
      end,
    },
    {
      method = "GET",
      path = "/api/notices",
      auth = "user",
      summary = "The newest notices",
      handler = function()
        local rows, err = db.query(NEWEST)
        return rows and { json = { data = json.array(rows) } }, err
      end,
    },
  },
}
