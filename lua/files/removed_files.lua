--- Removes the bytes of files whose rows are deleted. A trigger writes the keys
--- of deleted rows into the table removed_files, in the same transaction; after
--- the commit this module works through them. What fails is tried again with
--- the next deletion; what a crash leaves the core sweeps at its start.

local db = require "tide.db"
local files = require "tide.files"
local log = require "tide.log"

local M = {}

--- Rows per transaction.
local AT_ONCE = 500

--- Removes some of them.
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
  local ok, failed = files.remove(keys)
  if not ok then
    return false, failed
  end
  local outcomes, err = db.write(statements)
  return outcomes ~= nil and #rows == AT_ONCE, err
end

--- Removes them all. It never fails a request: the rows are gone already.
function M.remove()
  local more, err
  repeat
    more, err = remove_some()
  until not more
  if err then
    log.warn("bytes of deleted files were not removed", { code = err.code })
  end
end

return M
