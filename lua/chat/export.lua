--- A chat session as a file: everything as JSON, or the conversation to its
--- newest message as Markdown.

local chat_objects = require "chat.objects"
local db = require "tide.db"
local json = require "tide.json"
local objects = require "web.objects"
local store = require "chat.messages"

local M = {}

--- Rows at most; the limit of db.fetch.
local ROWS_MAX = 10000

local ROLE_NAMES = {
  en = { user = "You", assistant = "Assistant", system = "System" },
  zh = { user = "我", assistant = "助手", system = "系统" },
}

--- All messages of all branches; parent_id gives the tree.
---@param user_id integer
---@param session table row of chat_sessions
---@return string|nil text, tide.Error|nil err
function M.as_json(user_id, session)
  -- One more than db.fetch takes: an error instead of half an export.
  local rows, err =
    db.fetch(store.SQL_ALL, { session.id, user_id, ROWS_MAX + 1 })
  if not rows then
    return nil, err
  end
  return json.encode({
    session = chat_objects.session(session),
    messages = objects.map(rows, chat_objects.message),
  })
end

--- The path to the newest message, for people.
---@param user_id integer
---@param session table row of chat_sessions
---@param language "zh"|"en"
---@return string|nil text, tide.Error|nil err
function M.as_markdown(user_id, session, language)
  local rows, err = store.get_history(user_id, session, nil, ROWS_MAX)
  if not rows then
    return nil, err
  end
  local parts = {
    "# " .. session.title,
    session.model_name .. " · " .. session.created_at,
  }
  for _, row in ipairs(rows) do
    local name = ROLE_NAMES[language][row.role]
    parts[#parts + 1] = ("## %s · %s"):format(name, row.created_at)
    parts[#parts + 1] = row.content
  end
  return table.concat(parts, "\n\n") .. "\n"
end

return M
