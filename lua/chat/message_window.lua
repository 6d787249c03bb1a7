--- Pages of a conversation that do not end in a leaf: those around a message,
--- and those that follow one.

local chat = require "chat.chat"
local db = require "tide.db"
local errors = require "lib.errors"
local messages = require "chat.messages"

local M = {}

--- The newest message of the branches through a message, which is a leaf, and
--- the newest one of the session: message, session row, user. No row: the
--- session has no such message.
local SQL_ENDS = [[
WITH RECURSIVE below (id) AS (
  SELECT id FROM chat_messages
  WHERE id = ?1 AND session_row = ?2 AND user_id = ?3
  UNION ALL
  SELECT m.id FROM below JOIN chat_messages AS m ON m.parent_id = below.id
  WHERE m.user_id = ?3
)
SELECT MAX(id) AS leaf, (SELECT MAX(id) FROM chat_messages
  WHERE session_row = ?2 AND user_id = ?3) AS newest
FROM below HAVING COUNT(*) > 0]]

--- The path from a message to a leaf: leaf, session row, user, the message, how
--- many rows. Its first row is the message itself if it is on the path.
local SQL_FOLLOWING = [[
WITH RECURSIVE path (id, parent_id) AS (
  SELECT id, parent_id FROM chat_messages
  WHERE id = ?1 AND session_row = ?2 AND user_id = ?3
  UNION ALL
  SELECT m.id, m.parent_id
  FROM path JOIN chat_messages AS m ON m.id = path.parent_id
  WHERE m.user_id = ?3 AND m.id >= ?4
)
SELECT id FROM path ORDER BY id LIMIT ?5]]

---@class MessageWindow: MessagePage
---@field has_newer boolean more messages follow on the path
---@field leaf integer where the path ends
---@field newest integer the session's newest message

--- The page of a path that ends `ahead` messages after one, or in its leaf.
---@async
---@param user_id integer
---@param session_row integer
---@param ends {leaf: integer, newest: integer}
---@param id integer of the message
---@param ahead integer
---@param limit integer|nil rows; nil = only those after the message
---@param schema Schema|nil as of messages.read_page
---@return MessageWindow|nil window, tide.Error|nil err message_not_found
local function read_window(
  user_id,
  session_row,
  ends,
  id,
  ahead,
  limit,
  schema
)
  local ids, err = db.fetch(
    SQL_FOLLOWING,
    { ends.leaf, session_row, user_id, id, ahead + 2 }
  )
  if not ids then
    return nil, err
  elseif not ids[1] or ids[1].id ~= id then
    return nil, errors.new("message_not_found")
  end
  local count = math.min(#ids - 1, ahead)
  local page, unread = messages.read_page(
    user_id,
    session_row,
    ids[count + 1].id,
    limit or count,
    schema
  )
  if not page then
    return nil, unread
  end
  page.has_newer = #ids - 1 > count
  page.leaf, page.newest = ends.leaf, ends.newest
  return page
end

---@class WindowPlace
---@field around integer the message in the middle; 0 = none
---@field after integer the message before the page; 0 = none
---@field leaf integer where the path ends; 0 = the newest message below
---@field limit integer

--- The messages around one, or those that follow one.
---@async
---@param user_id integer
---@param session_id string
---@param place WindowPlace with `around` or `after`
---@param schema? Schema of a row, for a page that is only passed on
---@return MessageWindow|nil window
---@return tide.Error|nil err session_not_found, message_not_found: also when
--- the message is not on the path
function M.get_window(user_id, session_id, place, schema)
  local session, unknown = chat.get_chat_session(user_id, session_id)
  if not session then
    return nil, unknown
  end
  local around = place.around ~= 0
  local id = around and place.around or place.after
  local found, err = db.fetch(SQL_ENDS, { id, session.id, user_id })
  if not found then
    return nil, err
  elseif not found[1] then
    return nil, errors.new("message_not_found")
  end
  local ends = found[1]
  if place.leaf ~= 0 then
    ends.leaf = place.leaf
  end
  local limit = place.limit
  if around then
    local ahead = limit // 2
    return read_window(user_id, session.id, ends, id, ahead, limit, schema)
  end
  return read_window(user_id, session.id, ends, id, limit, nil, schema)
end

return M
