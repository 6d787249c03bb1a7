--- Files of a session: upload, list, delete.

local errors = require "lib.errors"
local fields = require "web.fields"
local file_objects = require "files.objects"
local files = require "files.files"
local objects = require "web.objects"
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

function handlers.list(req)
  local user_id = req.user.id
  local rows, err = files.get_files_by_session(user_id, req.args.session_id)
  if not rows then
    return nil, err
  end
  return { json = { data = objects.map(rows, file_objects.file) } }
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
    summary = "A session's files, newest first",
    params = { fields = { fields.name("session_id") } },
    response = objects.object({
      data = objects.list(file_objects.file_schema),
    }),
    handler = handlers.list,
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
