--- Bytes of files whose rows are gone. A trigger notes the keys of deleted
--- rows, whoever deleted them, in the same transaction; after the commit they
--- are worked off here. What fails is tried again with the next deletion, what
--- a crash leaves is swept by the core at start.

local db = require "tide.db"
local files = require "tide.files"
local log = require "tide.log"

local M = {}

local AT_ONCE = 500

--- One piece of the list.
---@return boolean more there may be more
---@return tide.Error|nil err
local function remove_some()
  local rows, unread =
    db.query("SELECT file_key FROM removed_files LIMIT ?", { AT_ONCE })
  if not rows or #rows == 0 then
    return false, unread
  end
  local keys, statements = {}, {}
  for i, row in ipairs(rows) do
    keys[i] = row.file_key
    statements[i] =
      { "DELETE FROM removed_files WHERE file_key = ?", { row.file_key } }
  end
  local ok, kept = files.remove(keys)
  if not ok then
    return false, kept
  end
  local outcomes, err = db.write(statements)
  return outcomes ~= nil and #rows == AT_ONCE, err
end

--- Removes them. Never fails a request: the rows are gone already.
function M.remove()
  local more, err
  repeat
    more, err = remove_some()
  until not more
  if err then
    log.warn("bytes of deleted files are left", { code = err.code })
  end
end

return M
