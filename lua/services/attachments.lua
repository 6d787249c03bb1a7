--- Texts of files for the model: those of a new message, and those of the
--- messages before it, which keep only ids.

local errors = require "lib.errors"
local files = require "services.files"
local json = require "tide.json"

local M = {}

--- Bytes of text that one message may bring.
local MESSAGE_MAX = 2 * 1024 * 1024
--- Bytes of text that the history may bring, the newest first.
local HISTORY_MAX = 4 * 1024 * 1024

--- The texts of a new message's files.
---@param user_id integer
---@param ids integer[] of files.check_attached
---@return AttachedText[]|nil texts
---@return tide.Error|nil err file_not_found, text_too_large, those of
--- files.process_file_content
function M.read(user_id, ids)
  local texts, bytes = {}, 0
  for i, id in ipairs(ids) do
    local row, unknown = files.get_file_by_id(user_id, id)
    if not row then
      return nil, unknown
    end
    local content, err = files.process_file_content(user_id, row)
    if not content then
      return nil, err
    end
    bytes = bytes + #content
    if bytes > MESSAGE_MAX then
      return nil, errors.new("text_too_large")
    end
    texts[i] = { name = row.file_name, text = content }
  end
  return texts
end

--- What is left of one earlier message's files: deleted ones are left out.
---@param user_id integer
---@param ids integer[]
---@param room integer bytes that may still come
---@return AttachedText[]|nil texts, integer|tide.Error room
local function read_again(user_id, ids, room)
  local texts = {}
  for _, id in ipairs(ids) do
    local row, err = files.get_file_by_id(user_id, id)
    if not row and err.code ~= "file_not_found" then
      return nil, err
    elseif row and row.is_processed ~= 0 then
      room = room - #row.content
      texts[#texts + 1] = {
        name = row.file_name,
        text = room >= 0 and row.content or nil,
      }
    end
  end
  return texts, room
end

--- Puts `files` into the rows of a history that have some.
---@param user_id integer
---@param rows table[] oldest first; changed
---@return true|nil ok, tide.Error|nil err
function M.fill(user_id, rows)
  local room = HISTORY_MAX
  for i = #rows, 1, -1 do
    local row = rows[i]
    if row.role == "user" and row.file_ids and row.file_ids ~= "[]" then
      local texts, left =
        read_again(user_id, (json.decode(row.file_ids)), room)
      if not texts then
        return nil, left
      end
      row.files, room = texts, left
    end
  end
  return true
end

return M
