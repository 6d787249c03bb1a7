--- tide.files: see types/files.lua.

local arguments = require "lib.arguments"
local config = require "tide.config"
local errors = require "lib.errors"
local json = require "tide.json"
local store = require "tide.file_store"
local text = require "tide.text"

--- Bytes that one call reads.
local READ_MAX = 16 * 1024 * 1024
--- Bytes of a name's end that are a type, as of uploads (core/tide/intake.c).
local TYPE_MAX = 16

-- By storage key: whoever has a key may do this.
local M = {
  store = store.store,
  keep = store.store,
  remove = store.remove,
  read_text = store.read_text,
  read_image = store.read_image,
}

local check, check_one = arguments.check, arguments.check_one

--- Looked up late: a copy of that module from an earlier release requires this
--- one.
local function files()
  return require "files.files"
end

---@param row table of uploaded_files
---@return tide.StoredFile
local function file_of(row)
  return {
    id = row.id,
    session_id = row.session_id,
    name = row.file_name,
    type = row.file_type,
    size = row.file_size,
    created_at = row.created_at,
  }
end

--- The row of a user's file.
---@async
---@param called string
---@param user any
---@param id any
---@return table|nil row, tide.Error|nil err file_not_found
local function find(called, user, id)
  check_one(called, "user", user, "integer")
  check_one(called, "id", id, "integer")
  return files().get_file_by_id(user, id)
end

function M.list(user, session)
  check_one("files.list", "user", user, "integer")
  check_one("files.list", "session", session, "string")
  local rows, err = files().get_files_by_session(user, session)
  if not rows then
    return nil, err
  end
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = file_of(row)
  end
  return list
end

function M.get(user, id)
  local row, err = find("files.get", user, id)
  return row and file_of(row), err
end

function M.read(user, id)
  local row, err = find("files.read", user, id)
  if not row then
    return nil, err
  elseif row.file_size > READ_MAX then
    return nil, errors.new("file_too_large")
  end
  return files().read_bytes(row, 0, row.file_size)
end

function M.range(user, id, offset, length)
  check_one("files.range", "offset", offset, "integer")
  check_one("files.range", "length", length, "integer")
  local row, err = find("files.range", user, id)
  if not row then
    return nil, err
  end
  return files().read_bytes(
    row,
    math.max(offset, 0),
    math.max(0, math.min(length, READ_MAX))
  )
end

function M.text(user, id)
  local row, err = find("files.text", user, id)
  if not row then
    return nil, err
  end
  return files().process_file_content(user, row)
end

local WRITTEN = {
  user = "integer",
  session = "string",
  name = "string?",
  bytes = "string?",
  upload = "table?",
}

--- A file from its name and its bytes.
---@param spec tide.FileSpec
---@return tide.Upload|NewFile|nil upload
---@return tide.Error|nil err missing_field, invalid_field, file_too_large
local function upload_of(spec)
  local name, bytes = spec.name, spec.bytes
  if spec.upload then
    return spec.upload
  elseif not name or name == "" or not bytes then
    local field = bytes and "name" or "bytes"
    return nil, errors.new("missing_field", { field = field })
  elseif not text.valid(name) or name:find("[%c/\\]") then
    return nil, errors.new("invalid_field", {
      field = "name",
      reason = "must be a name, without folders and control characters",
    })
  elseif #bytes > config.get("limits.upload") then
    return nil, errors.new("file_too_large")
  end
  local kind = name:lower():match("%.[^.]*$") or ""
  return {
    file_name = name,
    file_type = #kind <= TYPE_MAX and kind or "",
    size = #bytes,
    bytes = bytes,
  }
end

function M.write(spec)
  check("files.write", spec, WRITTEN)
  local upload, unfit = upload_of(spec)
  if not upload then
    return nil, unfit
  end
  local saved, err = files().save_file(spec.user, spec.session, upload, "en")
  if not saved then
    return nil, err
  end
  return M.get(spec.user, saved.id)
end

function M.delete(user, id)
  check_one("files.delete", "user", user, "integer")
  check_one("files.delete", "id", id, "integer")
  return files().delete_file(user, id)
end

return M
