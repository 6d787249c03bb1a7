---@meta tide.files

--- The bytes of uploaded files.
---
--- ```lua
--- local key, err = files.keep(req.upload)
--- if not key then
---   return nil, err
--- end
--- ```
---@class tide.files
local files = {}

--- A file that came with the request. It is a temporary one and goes away with
--- the request unless it is kept.
---@class tide.Upload
---@field file_name string UTF-8 without folders and control characters
---@field file_type string extension with dot, small letters; "" = none
---@field size integer bytes
---@field handle userdata

--- Keeps an upload: its bytes are on disk under the returned key.
---@async
---@param upload tide.Upload
---@return string|nil key
---@return tide.Error|nil err disk_full, store_failed, busy
function files.keep(upload) end

--- Removes bytes; keys that are not there are no failure.
---@async
---@param keys string|string[] at most 1000
---@return true|nil ok
---@return tide.Error|nil err store_failed, busy
function files.remove(keys) end

--- The text of a file, at most 1 MiB: decoded, or extracted (.pdf, .docx).
---@async
---@param key string
---@param file_type string extension with dot
---@return string|nil text
---@return tide.Error|nil err file_missing, text_too_large,
--- unsupported_encoding, extract_failed, extract_too_large, extract_timeout
function files.read_text(key, file_type) end

return files
