--- Answers from one's own texts: pages of a handbook that have words of the
--- message are put into the prompt.

local db = require "tide.db"

local WRITE = "INSERT INTO handbook_pages (title, text) VALUES (?, ?) "
  .. "ON CONFLICT (title) DO UPDATE SET text = excluded.text"
local FIND = "SELECT title, text FROM handbook_pages WHERE %s LIMIT 3"
local WORDS_MAX = 8

--- Short words are in every page. Words have no wildcards of LIKE.
---@param message string
---@return string[] patterns
local function patterns_of(message)
  local patterns = {}
  for word in message:gmatch("%w%w%w%w+") do
    patterns[#patterns + 1] = "%" .. word .. "%"
  end
  return table.move(patterns, 1, WORDS_MAX, 1, {})
end

return {
  api = 1,
  routes = {
    {
      method = "PUT",
      path = "/api/admin/handbook",
      auth = "admin",
      summary = "Write a page of the handbook",
      request = {
        fields = {
          { name = "title", type = "string", required = true, max = 100 },
          { name = "text", type = "string", required = true, max = 4000 },
        },
      },
      handler = function(req)
        local values = { req.body.title, req.body.text }
        local done, err = db.write({ { WRITE, values } })
        return done and { json = { title = req.body.title } }, err
      end,
    },
  },
  hooks = {
    before_llm = function(turn)
      local patterns = patterns_of(turn.message)
      local prompt = turn.messages[1]
      if #patterns == 0 or prompt.role ~= "system" then
        return
      end
      local condition = ("text LIKE ? OR "):rep(#patterns):sub(1, -5)
      local rows, err = db.query(FIND:format(condition), patterns)
      for _, row in ipairs(rows or {}) do
        local page = "\n\n# " .. row.title .. "\n" .. row.text
        prompt.content = prompt.content .. page
      end
      return nil, err
    end,
  },
}
