--- Finding messages by what they say. The index (migrations/0002) cuts text
--- into words, and Chinese, Japanese and Korean into characters and pairs.

local db = require "tide.db"
local text = require "tide.text"

local M = {}

--- Characters of a word's beginning that is looked for; shorter ones would
--- mean nearly every message.
local PREFIX_MIN = 3

--- A query in FTS5's language from what a person typed: every part between
--- blanks must be there, each as it stands; the last word may be a beginning.
--- No AND is written: FTS5 then drops parts without a letter or number.
--- Quotes keep FTS5's own operators out (https://www.sqlite.org/fts5.html, 3).
---@param user_id integer
---@param q string
---@return string
local function expression(user_id, q)
  local parts, last = {}, ""
  for part in q:gmatch("%S+") do
    parts[#parts + 1] = '"' .. part:gsub('"', '""') .. '"'
    last = part
  end
  if not text.has_cjk(last) and text.count(last) >= PREFIX_MIN then
    parts[#parts] = parts[#parts] .. "*"
  end
  return ("owner : \"u%d\" AND content : (%s)")
    :format(user_id, table.concat(parts, " "))
end

--- So many are counted, and can be paged through: counting on would take
--- longer than anybody looks.
local COUNT_MAX = 10000

local SQL_COUNT = "SELECT COUNT(*) AS n FROM (SELECT 1 FROM message_search "
  .. "WHERE message_search MATCH ? LIMIT ?)"

local SQL_PAGE = [[
SELECT m.id AS message_id, s.session_id, m.role, s.title, m.created_at,
  tidetalk_snippet(message_search, 1) AS snippet
FROM message_search
JOIN chat_messages AS m ON m.id = message_search.rowid
JOIN chat_sessions AS s ON s.id = m.session_row AND s.user_id = m.user_id
WHERE message_search MATCH ? AND m.user_id = ?
ORDER BY message_search.rowid DESC LIMIT ? OFFSET ?]]

--- One page of the caller's messages that have all parts of `q`, newest first.
---@param user_id integer
---@param q string not blank
---@param limit integer
---@param offset integer
---@return table[]|nil rows, integer|tide.Error total at most COUNT_MAX
---@return boolean|nil capped there are more than `total`
function M.find_messages(user_id, q, limit, offset)
  local ready, unready = db.index_for_search(user_id)
  if not ready then
    return nil, unready
  end
  local match = expression(user_id, q)
  local counted, failed = db.fetch(SQL_COUNT, { match, COUNT_MAX + 1 })
  if not counted then
    return nil, failed
  end
  local total = math.min(counted[1].n, COUNT_MAX)
  local capped = counted[1].n > COUNT_MAX
  limit = math.min(limit, total - offset)
  if limit <= 0 then
    return {}, total, capped
  end
  local rows, err = db.fetch(SQL_PAGE, { match, user_id, limit, offset })
  if not rows then
    return nil, err
  end
  return rows, total, capped
end

return M
