--- Files of a session: upload, list, read, delete.

local chat = require "chat.chat"
local errors = require "lib.errors"
local fields = require "web.fields"
local file_objects = require "files.objects"
local files = require "files.files"
local objects = require "web.objects"
local pages = require "web.pages"
local row_parts = require "lib.row_parts"
local texts = require "lib.texts"

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.upload(req)
  if not req.upload then
    return nil, errors.new("missing_field", { field = "file" })
  end
  local file, err = files.save_file(
    req.user.id,
    req.form.session_id,
    req.upload,
    req.language
  )
  if not file then
    return nil, err
  end
  return {
    json = {
      message = texts.get(req.language, "file_uploaded"),
      file_id = file.id,
      file_name = file.file_name,
      file_type = file.file_type,
    },
  }
end

--- A page, for a client that asks for one.
---@param req tide.Request
---@return tide.Response|nil response, tide.Error|nil err
local function list_page(req)
  local args = req.args
  args.page = args.page or 1
  args.page_size = args.page_size or 20
  local rows, total = files.get_files_by_session(
    req.user.id,
    args.session_id,
    args.page_size,
    pages.offset(args),
    file_objects.file_schema
  )
  if not rows then
    return nil, total
  end
  return {
    json = {
      data = rows,
      pagination = pages.pagination(args, total),
    },
  }
end

--- All of them, written while they are read.
---@param req tide.Request
---@return tide.Response|nil response, tide.Error|nil err
local function list_all(req)
  local user_id = req.user.id
  local session, unknown =
    chat.get_chat_session(user_id, req.args.session_id)
  if not session then
    return nil, unknown
  end
  return {
    content_type = "application/json; charset=utf-8",
    chunks = function(write)
      local before = '{"data":['
      local schema = file_objects.file_schema
      local ok, err = files.each_piece(
        user_id,
        session.id,
        schema,
        function(rows)
          write(before .. row_parts.items(rows))
          before = ","
        end
      )
      if not ok then
        return nil, err
      end
      write((before == "," and "" or before) .. "]}\n")
    end,
  }
end

function handlers.list(req)
  if req.query.page or req.query.page_size then
    return list_page(req)
  end
  return list_all(req)
end

function handlers.content(req)
  local row, unknown = files.get_file_by_id(req.user.id, req.params.file_id)
  if not row then
    return nil, unknown
  end
  return { file = { key = row.file_key, name = row.file_name } }
end

function handlers.delete(req)
  local ok, err = files.delete_file(req.user.id, req.args.file_id)
  if not ok then
    return nil, err
  end
  return { json = { message = texts.get(req.language, "file_deleted") } }
end

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/api/files/upload",
    auth = "user",
    summary = "Upload a file into a session (multipart, part \"file\")",
    upload = true,
    form = { fields = { fields.name("session_id") } },
    response = objects.object({
      message = "string",
      file_id = "integer",
      file_name = "string",
      file_type = "string",
    }),
    handler = handlers.upload,
  },
  {
    method = "GET",
    path = "/api/files/session/:session_id",
    auth = "user",
    summary = "A session's files, newest first: a page, or all without both "
      .. "arguments (then without `pagination`)",
    params = { fields = { fields.name("session_id") } },
    query = pages.optional(100),
    response = objects.object({
      data = objects.list(file_objects.file_schema),
      pagination = pages.pagination_schema,
    }),
    handler = handlers.list,
  },
  {
    method = "GET",
    path = "/api/files/:file_id/content",
    auth = "user",
    summary = "The bytes of a file, or a range of them",
    params = { fields = { fields.id("file_id") } },
    answer = "the file, with ETag and ranges; what browsers would run is a "
      .. "download",
    handler = handlers.content,
  },
  {
    method = "DELETE",
    path = "/api/files/:file_id",
    auth = "user",
    summary = "Delete a file: its row and its bytes",
    params = { fields = { fields.id("file_id") } },
    response = objects.object({ message = "string" }),
    handler = handlers.delete,
  },
}
