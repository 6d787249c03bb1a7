--- Uploaded files: rows here, bytes in the core's store. A row is written after
--- its bytes are stored, and deleted before them, so the bytes of a row are
--- always there. What a crash leaves between the two is swept at start.

local config = require "tide.config"
local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local policy = require "policy.files"
local row_parts = require "lib.row_parts"
local store = require "tide.file_store"
local text = require "tide.text"
local texts = require "lib.texts"
local time = require "tide.time"

local M = {}

--- Files of one session.
local SESSION_MAX = 1000

--- What files may take, for the images of a reply, which the core stores.
---@return tide.ImageRoom
function M.image_room()
  return {
    user_bytes = config.get("limits.user_files"),
    session_files = SESSION_MAX,
  }
end

--- Characters of decoded text in one list; older files come without.
local LIST_TEXT_MAX = 4 * 1024 * 1024
--- Of a list that is read in pieces: files in one, and characters of text
--- unless one file alone has more.
local PIECE_ROWS = 100
local PIECE_TEXT = 64 * 1024

local COLUMNS = "f.id, s.session_id, f.file_name, f.file_key, f.file_size, "
  .. "f.file_type, f.is_processed, f.text_error, f.created_at, f.updated_at, "
local TABLES = "FROM uploaded_files AS f "
  .. "JOIN chat_sessions AS s ON s.id = f.session_row "
  .. "AND s.user_id = f.user_id "

--- Whether an upload may be stored at all, as far as its head shows.
---@param upload tide.Upload|NewFile
---@param language "zh"|"en"
---@return true|nil ok
---@return tide.Error|nil err invalid_field, file_type_not_allowed
local function check_upload(upload, language)
  if text.count(upload.file_name) > policy.NAME_MAX then
    return nil, errors.new("invalid_field", {
      field = "file",
      reason = texts.get(language, "too_long", { limit = policy.NAME_MAX }),
    })
  elseif not policy.allowed(upload.file_type, config.get("files.types")) then
    return nil, errors.new("file_type_not_allowed", {
      type = upload.file_type,
    })
  end
  return true
end

-- The limits are conditions of the insert, so two uploads at once cannot pass
-- them together.
local SQL_INSERT = [[
INSERT INTO uploaded_files (user_id, session_row, file_name, file_key,
  file_size, file_type, created_at, updated_at)
SELECT ?1, s.id, ?3, ?4, ?5, ?6, ?7, ?7
FROM chat_sessions AS s JOIN users AS u ON u.id = s.user_id
WHERE s.session_id = ?2 AND s.user_id = ?1
  AND ?5 + u.file_bytes <= ?8 AND s.file_count < ?9]]

--- Why a file has no room, before its bytes are stored; also after an insert
--- that changed nothing.
---@param user_id integer
---@param session_id string
---@param size integer
---@return true|nil ok
---@return tide.Error|nil err session_not_found, quota_exceeded, too_many_files
local function check_room(user_id, session_id, size)
  local used, err = db.one(
    "SELECT u.file_bytes AS bytes, s.file_count AS files "
      .. "FROM chat_sessions AS s JOIN users AS u ON u.id = s.user_id "
      .. "WHERE s.user_id = ? AND s.session_id = ?",
    { user_id, session_id }
  )
  if not used then
    return nil, err or errors.new("session_not_found")
  elseif used.bytes + size > config.get("limits.user_files") then
    return nil, errors.new("quota_exceeded")
  elseif used.files >= SESSION_MAX then
    return nil, errors.new("too_many_files")
  end
  return true
end

---@class NewFile what a script has made, instead of an upload
---@field file_name string
---@field file_type string
---@field size integer
---@field bytes string

---@async
---@param upload tide.Upload|NewFile
---@return string|nil key, tide.Error|nil err
local function store_bytes(upload)
  if upload.bytes then
    return store.write(upload.bytes)
  end
  return store.store(upload)
end

--- Stores an upload: its bytes, then its row.
---@param user_id integer
---@param session_id string
---@param upload tide.Upload|NewFile
---@param language "zh"|"en"
---@return {id: integer, file_name: string, file_type: string}|nil file
---@return tide.Error|nil err session_not_found, invalid_field,
--- file_type_not_allowed, quota_exceeded, too_many_files
function M.save_file(user_id, session_id, upload, language)
  local ok, refused = check_upload(upload, language)
  if ok then
    ok, refused = check_room(user_id, session_id, upload.size)
  end
  if not ok then
    return nil, refused
  end
  local key, unstored = store_bytes(upload)
  if not key then
    return nil, unstored
  end
  local outcomes, err = db.write({
    {
      SQL_INSERT,
      {
        user_id,
        session_id,
        upload.file_name,
        key,
        upload.size,
        upload.file_type,
        time.now(),
        config.get("limits.user_files"),
        SESSION_MAX,
      },
      expect = 1,
    },
    {
      "UPDATE chat_sessions SET file_count = file_count + 1 "
        .. "WHERE user_id = ? AND session_id = ?",
      { user_id, session_id },
      expect = 1,
    },
    {
      "UPDATE users SET file_bytes = file_bytes + ? WHERE id = ?",
      { upload.size, user_id },
      expect = 1,
    },
  }, { user = user_id })
  if not outcomes then
    if not err.unknown then
      store.remove(key) -- when that fails too: swept at start
    end
    if err.code == "unexpected_changes" then
      local _, reason = check_room(user_id, session_id, upload.size)
      err = reason or errors.new("conflict")
    end
    return nil, err
  end
  return {
    id = outcomes[1].id,
    file_name = upload.file_name,
    file_type = upload.file_type,
  }
end

--- A page of a session's files.
---@param order string how files are skipped and taken
---@return string sql
local function page_sql(order)
  return "SELECT " .. COLUMNS .. "CASE WHEN SUM(length(f.content)) "
    .. "OVER (ORDER BY f.id DESC) <= ? THEN f.content ELSE '' END AS content "
    .. "FROM (SELECT * FROM uploaded_files WHERE session_row = ? "
    .. "AND user_id = ? ORDER BY " .. order .. " LIMIT ? OFFSET ?) AS f "
    .. "JOIN chat_sessions AS s ON s.id = f.session_row "
    .. "AND s.user_id = f.user_id ORDER BY f.id DESC"
end

local SQL_PAGE = { page_sql("id DESC"), page_sql("id") }

--- A page of a session's files, newest first. What a list has of decoded text
--- is bounded: LIST_TEXT_MAX.
---@async
---@param user_id integer
---@param session_id string
---@param limit? integer nil = all
---@param offset? integer default 0
---@param schema? Schema of a row, for a page that is only passed on
---@return table[]|tide.Raw|nil rows with a schema JSON, as of db.json
---@return integer|tide.Error total session_not_found
function M.get_files_by_session(user_id, session_id, limit, offset, schema)
  local session, err = db.one(
    "SELECT id, file_count FROM chat_sessions "
      .. "WHERE user_id = ? AND session_id = ?",
    { user_id, session_id }
  )
  if not session then
    return nil, err or errors.new("session_not_found")
  end
  local rows, failed = row_parts.read(
    session.file_count,
    limit or session.file_count,
    offset or 0,
    SQL_PAGE,
    schema,
    LIST_TEXT_MAX,
    session.id,
    user_id
  )
  if not rows then
    return nil, failed
  end
  return rows, session.file_count
end

local SQL_SIZES = "SELECT f.id, length(f.content) AS size " .. TABLES
  .. "WHERE f.session_row = ? AND f.user_id = ? AND f.id < ? "
  .. "ORDER BY f.id DESC LIMIT ?"

local SQL_BETWEEN = "SELECT " .. COLUMNS
  .. "CASE WHEN f.id >= ? THEN f.content ELSE '' END AS content " .. TABLES
  .. "WHERE f.session_row = ? AND f.user_id = ? AND f.id <= ? AND f.id >= ? "
  .. "ORDER BY f.id DESC"

--- The last file whose text comes along. The others' sizes become 0.
---@param sizes {id: integer, size: integer}[] newest first; changed
---@param chars integer of text in the list so far
---@return integer id, integer chars
local function last_with_text(sizes, chars)
  local id = math.maxinteger
  for _, file in ipairs(sizes) do
    chars = chars + file.size
    if chars <= LIST_TEXT_MAX then
      id = file.id
    else
      file.size = 0
    end
  end
  return id, chars
end

--- Hands over all files of a session, newest first, in pieces, however many
--- there are.
---@async
---@param user_id integer
---@param session_row integer
---@param schema Schema of a row
---@param take fun(rows: tide.Raw) each piece as a JSON list
---@return true|nil ok, tide.Error|nil err
function M.each_piece(user_id, session_row, schema, take)
  local below, chars = math.maxinteger, 0
  repeat
    local sizes, err =
      db.fetch(SQL_SIZES, { session_row, user_id, below, PIECE_ROWS })
    if not sizes then
      return nil, err
    end
    local with_text
    with_text, chars = last_with_text(sizes, chars)
    for first, last in row_parts.pieces(sizes, PIECE_TEXT) do
      local rows, failed = db.fetch_json(
        SQL_BETWEEN,
        { with_text, session_row, user_id, first, last },
        schema
      )
      if not rows then
        return nil, failed
      end
      take(rows)
      below = last
    end
  until #sizes < PIECE_ROWS
  return true
end

---@param user_id integer
---@param file_id integer
---@return table|nil row, tide.Error|nil err file_not_found
function M.get_file_by_id(user_id, file_id)
  local row, err = db.one(
    "SELECT " .. COLUMNS .. "f.content " .. TABLES
      .. "WHERE f.id = ? AND f.user_id = ?",
    { file_id, user_id }
  )
  if not row then
    return nil, err or errors.new("file_not_found")
  end
  return row
end

--- Deletes a file: its row, then its bytes.
---@param user_id integer
---@param file_id integer
---@return true|nil ok, tide.Error|nil err file_not_found
function M.delete_file(user_id, file_id)
  local row, unknown = M.get_file_by_id(user_id, file_id)
  if not row then
    return nil, unknown
  end
  local outcomes, err = db.write({
    {
      "DELETE FROM uploaded_files WHERE id = ? AND user_id = ?",
      { file_id, user_id },
      expect = 1,
    },
    {
      "UPDATE chat_sessions SET file_count = file_count - 1 "
        .. "WHERE user_id = ? AND session_id = ?",
      { user_id, row.session_id },
      expect = 1, -- not one that is deleted: its files are not counted
    },
    {
      "UPDATE users SET file_bytes = file_bytes - ? WHERE id = ?",
      { row.file_size, user_id },
      expect = 1,
    },
  }, { use_reserve = true, user = user_id })
  if not outcomes then
    local gone = err.code == "unexpected_changes"
    return nil, gone and errors.new("file_not_found") or err
  end
  store.remove(row.file_key) -- when that fails: again in the background
  return true
end

--- Whether a model can be given this file's text.
---@param row {file_type: string}
---@return boolean
function M.is_readable(row)
  return policy.readable(row.file_type, config.get("files.text_types"))
end

--- What a file's own bytes are the cause of: it will never be otherwise.
local LASTING = {
  extract_failed = true,
  extract_too_large = true,
  extract_timeout = true,
  unsupported_encoding = true,
}

--- The text of a file. The first use decodes it and stores it with the row, so
--- that later ones need no bytes; or stores why there is none.
---@param user_id integer
---@param row table of get_file_by_id
---@return string|nil content
---@return tide.Error|nil err file_not_text, file_missing,
--- unsupported_encoding, text_too_large, extract_*
function M.process_file_content(user_id, row)
  if row.is_processed ~= 0 then
    return row.content
  elseif not M.is_readable(row) then
    return nil, errors.new("file_not_text", { name = row.file_name })
  end
  if row.text_error ~= "" then
    return nil, errors.new(row.text_error)
  end
  local content, unread = store.read_text(row.file_key, row.file_type)
  if not content then
    if LASTING[unread.code] then
      db.write({
        {
          "UPDATE uploaded_files SET text_error = ? "
            .. "WHERE id = ? AND user_id = ?",
          { unread.code, row.id, user_id },
        },
      })
    end
    return nil, unread
  end
  -- Deleted meanwhile: nothing changes, and the text is still good this once.
  local outcomes, err = db.write({
    {
      "UPDATE uploaded_files SET content = ?, is_processed = 1, "
        .. "updated_at = ? WHERE id = ? AND user_id = ?",
      { content, time.now(), row.id, user_id },
    },
  })
  if not outcomes then
    return nil, err
  end
  return content
end

--- Checks ids that a message wants to attach.
---@param user_id integer
---@param session_id string
---@param ids integer[]
---@return integer[]|nil ids each once, string|tide.Error|nil image name of one
--- that is an image, which not every model takes; or the error:
---@return tide.Error|nil err file_not_found, file_not_text
function M.check_attached(user_id, session_id, ids)
  local seen, list = {}, json.array({})
  local image
  for _, id in ipairs(ids) do
    if not seen[id] then
      seen[id] = true
      local row, err = db.one(
        "SELECT f.file_name, f.file_type " .. TABLES
          .. "WHERE f.id = ? AND f.user_id = ? AND s.session_id = ?",
        { id, user_id, session_id }
      )
      if not row then
        return nil, err or errors.new("file_not_found")
      elseif policy.is_image(row.file_type) then
        image = row.file_name
      elseif not M.is_readable(row) then
        return nil, errors.new("file_not_text", { name = row.file_name })
      end
      list[#list + 1] = id
    end
  end
  return list, image
end

--- Bytes of a file.
---@async
---@param row table of get_file_by_id
---@param offset integer
---@param length integer fewer come where the file ends
---@return string|nil bytes, tide.Error|nil err file_missing
function M.read_bytes(row, offset, length)
  return store.read(row.file_key, offset, length)
end

--- An image for a model.
---@param row table of get_file_by_id
---@return tide.Image|nil image
---@return tide.Error|nil err file_missing, image_unreadable, images_too_large
function M.read_image(row)
  if row.file_size > policy.IMAGE_BYTES_MAX then
    return nil, M.images_too_large()
  end
  local image, err = store.read_image(row.file_key, policy.IMAGE_BYTES_MAX)
  if err and err.code == "image_unreadable" then
    return nil, errors.new("image_unreadable", { name = row.file_name })
  end
  return image, err
end

---@return tide.Error
function M.images_too_large()
  return errors.new("images_too_large", {
    count = policy.IMAGES_MAX,
    each = policy.IMAGE_BYTES_MAX >> 20,
    all = policy.IMAGES_BYTES_MAX >> 20,
  })
end

return M
