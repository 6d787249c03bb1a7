--- Tools that a model may call while it replies: each user has a list of tasks.
--- Reading it is harmless; before it is changed, the user is asked.

local db = require "tide.db"
local json = require "tide.json"

local LIST =
  "SELECT id, title FROM desk_tasks WHERE user_id = ? ORDER BY id LIMIT 100"
local INSERT = "INSERT INTO desk_tasks (user_id, title) VALUES (?, ?)"

return {
  api = 1,
  tools = {
    list_tasks = {
      description = "The user's open tasks",
      parameters = { type = "object", properties = {} },
      idempotent = true,
      run = function(_, turn)
        local rows, err = db.query(LIST, { turn.user_id })
        return rows and { tasks = json.array(rows) }, err
      end,
    },
    add_task = {
      description = "Adds a task to the user's list",
      parameters = {
        type = "object",
        properties = { title = { type = "string" } },
        required = { "title" },
      },
      approve = "ask",
      run = function(args, turn)
        -- The arguments are the model's: never trust them.
        if type(args.title) ~= "string" or #args.title > 200 then
          return nil, "title must be a text of at most 200 bytes"
        end
        local values = { turn.user_id, args.title }
        local done, err = db.write({ { INSERT, values } })
        return done and { id = done[1].id }, err
      end,
    },
  },
}
