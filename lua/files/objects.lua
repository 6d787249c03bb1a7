--- What answers show of an uploaded file. Key names are the wire contract's.

local json = require "tide.json"
local objects = require "web.objects"

local M = {}

M.file_schema, M.file = objects.of_row({
  ID = { "integer", "id" },
  CreatedAt = { "string", "created_at" },
  UpdatedAt = { "string", "updated_at" },
  DeletedAt = {
    "string",
    function()
      return json.null -- deleted files have no row
    end,
  },
  SessionID = { "string", "session_id" },
  FileName = { "string", "file_name" },
  FilePath = { "string", "file_key" },
  FileSize = { "integer", "file_size" },
  FileType = { "string", "file_type" },
  Content = { "string", "content" },
  IsProcessed = {
    "boolean",
    function(row)
      return row.is_processed ~= 0
    end,
  },
})

return M
