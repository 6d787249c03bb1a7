--- What answers show of an uploaded file. Key names are the wire contract's.

local objects = require "web.objects"

local M = {}

M.file_schema, M.file = objects.of_row({
  ID = { "integer", "id" },
  CreatedAt = { "string", "created_at" },
  UpdatedAt = { "string", "updated_at" },
  DeletedAt = { "string", "deleted_at", keep_null = true }, -- no such column
  SessionID = { "string", "session_id" },
  FileName = { "string", "file_name" },
  FilePath = { "string", "file_key" },
  FileSize = { "integer", "file_size" },
  FileType = { "string", "file_type" },
  Content = { "string", "content" },
  IsProcessed = { "boolean", "is_processed" },
})

return M
