---@meta tide.file_store

--- The bytes of uploaded files, by storage key. Plugins use tide.files, which
--- knows whose files they are; a start of the server removes bytes that are no
--- session's file.
---
--- ```lua
--- local key, err = file_store.store(req.upload)
--- if not key then
---   return nil, err
--- end
--- ```
---@class tide.file_store
local file_store = {}

--- A file that came with the request. It is temporary and is removed with the
--- request, unless file_store.store stores it.
---@class tide.Upload
---@field file_name string UTF-8 without folders and control characters
---@field file_type string extension with dot, small letters; "" = none
---@field size integer bytes
---@field handle userdata

--- Stores an upload: its bytes are on disk under the returned key.
---@async
---@param upload tide.Upload
---@return string|nil key
---@return tide.Error|nil err disk_full, store_failed, busy
function file_store.store(upload) end

--- At most `length` bytes from `offset` on: fewer where the file ends.
---@async
---@param key string
---@param offset integer
---@param length integer at most 16 MiB
---@return string|nil bytes
---@return tide.Error|nil err file_missing, store_failed, busy
function file_store.read(key, offset, length) end

--- Stores bytes under a new key.
---@async
---@param bytes string at most 16 MiB
---@return string|nil key
---@return tide.Error|nil err disk_full, store_failed, busy
function file_store.write(bytes) end

--- Removes bytes; missing keys are not an error.
---@async
---@param keys string|string[] at most 1000
---@return true|nil ok
---@return tide.Error|nil err store_failed, busy
function file_store.remove(keys) end

--- The text of a file, at most 1 MiB: decoded, or extracted (.pdf, .docx).
---@async
---@param key string
---@param file_type string extension with dot
---@return string|nil text
---@return tide.Error|nil err file_missing, text_too_large,
--- unsupported_encoding, extract_failed, extract_too_large, extract_timeout
function file_store.read_text(key, file_type) end

--- A part of a file in the core's memory. It can only be put into the body of a
--- request to a model (tide.ProviderCall), at any depth.
---@class tide.FileData: userdata

---@class tide.Image
---@field media_type string "image/png", "image/jpeg", "image/gif", "image/webp"
---@field base64 tide.FileData
---@field data_url tide.FileData "data:image/png;base64,…"

--- An image, ready for a model. Its first bytes decide its type.
---@async
---@param key string
---@param max integer bytes, at most 32 MiB
---@return tide.Image|nil image
---@return tide.Error|nil err file_missing, file_too_large, image_unreadable,
--- busy
function file_store.read_image(key, max) end

return file_store
