--- Search over the caller's messages.

local chat_objects = require "chat.objects"
local errors = require "lib.errors"
local objects = require "web.objects"
local pages = require "web.pages"
local search = require "chat.search"

local M = {}

function M.search(req)
  local args = req.args
  if not args.q:find("%S") then
    return nil, errors.new("missing_field", { field = "q" })
  end
  local rows, total, capped = search.find_messages(
    req.user.id,
    args.q,
    args.page_size,
    pages.offset(args),
    chat_objects.found_schema
  )
  if not rows then
    return nil, total
  end
  return {
    json = {
      data = rows,
      pagination = pages.pagination(args, total, capped),
    },
  }
end

--- The paging of every list, and what is looked for.
local QUERY = pages.numbered(20, 100)
table.insert(
  QUERY.fields,
  1,
  { name = "q", type = "string", required = true, max = 200 }
)

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/chat/search",
    auth = "user",
    summary = "Find messages by words or characters in them",
    query = QUERY,
    response = objects.object({
      data = objects.list(chat_objects.found_schema),
      pagination = pages.pagination_schema,
    }),
    handler = M.search,
  },
}
