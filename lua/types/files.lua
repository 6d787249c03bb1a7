---@meta tide.files

--- Files of sessions. Functions with a user find only that user's files.
---
--- ```lua
--- local file, err = files.write({
---   user = turn.user_id,
---   session = turn.session_id,
---   name = "tides.csv",
---   bytes = "hour,height\n6,3.1\n",
--- })
--- ```
---@class tide.files
local files = {}

---@class tide.StoredFile
---@field id integer
---@field session_id string
---@field name string
---@field type string extension with dot, small letters; "" = none
---@field size integer bytes
---@field created_at string

--- The files of a session, newest first.
---@async
---@param user integer
---@param session string
---@return tide.StoredFile[]|nil list
---@return tide.Error|nil err session_not_found
function files.list(user, session) end

--- A file, without its bytes.
---@async
---@param user integer
---@param id integer
---@return tide.StoredFile|nil file
---@return tide.Error|nil err file_not_found
function files.get(user, id) end

--- All bytes of a file, at most 16 MiB.
---@async
---@param user integer
---@param id integer
---@return string|nil bytes
---@return tide.Error|nil err file_not_found, file_too_large, file_missing, busy
function files.read(user, id) end

--- Some bytes of a file: fewer, or none, where it ends.
---@async
---@param user integer
---@param id integer
---@param offset integer from 0 on
---@param length integer at most 16 MiB at once
---@return string|nil bytes
---@return tide.Error|nil err file_not_found, file_missing, busy
function files.range(user, id, offset, length) end

--- The text of a file as models get it: decoded, or extracted (.pdf, .docx).
---@async
---@param user integer
---@param id integer
---@return string|nil text
---@return tide.Error|nil err file_not_found, file_not_text, file_missing,
--- text_too_large, unsupported_encoding, extract_failed, extract_too_large,
--- extract_timeout
function files.text(user, id) end

---@class tide.FileSpec
---@field user integer
---@field session string
---@field name? string with `bytes`; its end decides the file's type
---@field bytes? string at most limits.upload
---@field upload? tide.Upload instead of these two: what came with a request

--- Stores a new file in a session, within the user's limits. It can be attached
--- to a message: chat.turn, `files`.
---@async
---@param spec tide.FileSpec
---@return tide.StoredFile|nil file
---@return tide.Error|nil err session_not_found, missing_field, invalid_field,
--- file_type_not_allowed, file_too_large, quota_exceeded, too_many_files,
--- disk_full, store_failed, busy
function files.write(spec) end

--- Deletes a file.
---@async
---@param user integer
---@param id integer
---@return true|nil ok
---@return tide.Error|nil err file_not_found, disk_full, busy
function files.delete(user, id) end

--- Stores an upload under a key. A start of the server removes bytes that are no
--- session's file: use files.write.
---@async
---@param upload tide.Upload
---@return string|nil key
---@return tide.Error|nil err disk_full, store_failed, busy
function files.store(upload) end

--- The old name of `store`; it works for one more release.
---@async
---@param upload tide.Upload
---@return string|nil key
---@return tide.Error|nil err disk_full, store_failed, busy
function files.keep(upload) end

--- Removes bytes by key; missing keys are not an error.
---@async
---@param keys string|string[] at most 1000
---@return true|nil ok
---@return tide.Error|nil err store_failed, busy
function files.remove(keys) end

--- The text of a file by key, at most 1 MiB: decoded, or extracted.
---@async
---@param key string
---@param file_type string extension with dot
---@return string|nil text
---@return tide.Error|nil err file_missing, text_too_large,
--- unsupported_encoding, extract_failed, extract_too_large, extract_timeout
function files.read_text(key, file_type) end

--- An image by key, ready for a model. Its first bytes decide its type.
---@async
---@param key string
---@param max integer bytes, at most 32 MiB
---@return tide.Image|nil image
---@return tide.Error|nil err file_missing, file_too_large, image_unreadable,
--- busy
function files.read_image(key, max) end

return files
