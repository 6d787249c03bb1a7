--- A chat session as a file: everything as JSON, or the conversation to its
--- newest message as Markdown. Written piece by piece, so its size does not
--- matter.

local chat = require "chat.chat"
local chat_objects = require "chat.objects"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local messages = require "chat.messages"
local row_parts = require "lib.row_parts"

local M = {}

--- Messages in a piece, and characters unless one alone has more.
local PIECE_ROWS = 100
local PIECE_CHARS = 64 * 1024

--- Ids that are looked at together on the way up to the root.
local IDS = 2000

local ROLE_NAMES = {
  en = { user = "You", assistant = "Assistant", system = "System" },
  zh = { user = "我", assistant = "助手", system = "系统" },
}

--- A session's messages while it is its user's: session row, user.
local OF_SESSION = [[
FROM chat_messages AS m
JOIN chat_sessions AS s ON s.id = m.session_row AND s.user_id = m.user_id
WHERE m.session_row = ? AND m.user_id = ? ]]

local SQL_SIZES = "SELECT m.id, length(m.content) + length(m.reasoning) "
  .. "+ length(m.tool_calls) AS size "
  .. OF_SESSION
  .. "AND m.id > ? AND m.id <= ? ORDER BY m.id LIMIT ?"

local SQL_IDS = "SELECT m.id, m.parent_id "
  .. OF_SESSION
  .. "AND m.id < ? ORDER BY m.id DESC LIMIT ?"

--- Hands over a session's messages from one id to another, oldest first, in
--- pieces.
---@async
---@param user_id integer
---@param session table row of chat_sessions
---@param from integer
---@param to integer
---@param fetch fun(sql: string, values: any[]): table[]|tide.Raw|nil,
--- tide.Error|nil reads a piece
---@param take fun(rows: any) gets what it has read
---@return true|nil ok, tide.Error|nil err
local function each_piece(user_id, session, from, to, fetch, take)
  local after = from - 1
  repeat
    local sizes, err =
      db.fetch(SQL_SIZES, { session.id, user_id, after, to, PIECE_ROWS })
    if not sizes then
      return nil, err
    end
    for first, last in row_parts.pieces(sizes, PIECE_CHARS) do
      local rows, failed =
        fetch(messages.SQL_BETWEEN, { session.id, user_id, first, last })
      if not rows then
        return nil, failed
      end
      take(rows)
      after = last
    end
  until #sizes < PIECE_ROWS
  -- Half of a session that has just been deleted is no export.
  local now, err = chat.get_chat_session(user_id, session.session_id)
  if not now then
    return nil, err
  elseif now.id ~= session.id then
    return nil, errors.new("session_not_found")
  end
  return true
end

--- Writes all messages of all branches; parent_id gives the tree.
---@async
---@param user_id integer
---@param session table row of chat_sessions
---@param language "zh"|"en"
---@param write fun(bytes: string)
---@return true|nil ok, tide.Error|nil err
function M.write_json(user_id, session, language, write)
  local separator = ""
  local schema = chat_objects.message_schema_in(language)
  write(
    '{"session":' .. json.encode(chat_objects.session(session))
      .. ',"messages":['
  )
  local ok, err = each_piece(
    user_id,
    session,
    1,
    math.maxinteger,
    function(sql, values)
      return db.fetch_json(sql, values, schema)
    end,
    function(rows)
      write(separator .. row_parts.items(rows))
      separator = ","
    end
  )
  if not ok then
    return nil, err
  end
  write("]}\n")
  return true
end

--- The path to the newest message, as runs of ids: of the messages within a run
--- all are on the path. Without branches it is one.
---@async
---@param user_id integer
---@param session table row of chat_sessions
---@return {from: integer, to: integer}[]|nil runs newest first
---@return tide.Error|nil err
local function find_path(user_id, session)
  local runs, below = {}, math.maxinteger
  local wanted, within ---@type integer|nil, boolean
  repeat
    local rows, err = db.fetch(SQL_IDS, { session.id, user_id, below, IDS })
    if not rows then
      return nil, err
    end
    for _, row in ipairs(rows) do
      if wanted and row.id ~= wanted then
        within = false
      else
        if not within then
          runs[#runs + 1] = { from = row.id, to = row.id }
        end
        runs[#runs].from, within, wanted = row.id, true, row.parent_id
        if not wanted then
          return runs
        end
      end
      below = row.id
    end
  until #rows < IDS
  return runs
end

--- Writes the path to the newest message, for people.
---@async
---@param user_id integer
---@param session table row of chat_sessions
---@param language "zh"|"en"
---@param write fun(bytes: string)
---@return true|nil ok, tide.Error|nil err
function M.write_markdown(user_id, session, language, write)
  local runs, unread = find_path(user_id, session)
  if not runs then
    return nil, unread
  end
  write(
    ("# %s\n\n%s · %s"):format(
      session.title,
      session.model_name,
      session.created_at
    )
  )
  for i = #runs, 1, -1 do
    local ok, err = each_piece(
      user_id,
      session,
      runs[i].from,
      runs[i].to,
      db.fetch,
      function(rows)
        local parts = {}
        for _, row in ipairs(rows) do
          local name = ROLE_NAMES[language][row.role]
          parts[#parts + 1] = ("\n\n## %s · %s\n\n"):format(
            name,
            row.created_at
          )
          parts[#parts + 1] = row.content
        end
        write(table.concat(parts))
      end
    )
    if not ok then
      return nil, err
    end
  end
  write("\n")
  return true
end

return M
