--- Files for the model, as texts or images: those of a new message, and those
--- of the messages before it, which keep only ids.

local errors = require "lib.errors"
local files = require "files.files"
local json = require "tide.json"
local policy = require "policy.files"

local M = {}

--- Bytes of text that one message may bring.
local MESSAGE_MAX = 2 * 1024 * 1024
--- Bytes of text that the history may bring, the newest first.
local HISTORY_MAX = 4 * 1024 * 1024

--- The room that is left for images.
---@class ImageRoom
---@field count integer
---@field bytes integer

--- Takes room for one more image.
---@param room ImageRoom changed
---@param row table of files
---@return boolean
local function fits(room, row)
  room.count = room.count - 1
  room.bytes = room.bytes - row.file_size
  return room.count >= 0 and room.bytes >= 0
end

--- The room that a request to a model has for images, those of the history
--- included.
---@return ImageRoom
function M.image_room()
  return { count = policy.IMAGES_MAX, bytes = policy.IMAGES_BYTES_MAX }
end

--- One file of a new message.
---@param user_id integer
---@param row table of files
---@param room ImageRoom changed
---@return AttachedText|nil file, tide.Error|nil err
local function read_one(user_id, row, room)
  if policy.is_image(row.file_type) then
    if not fits(room, row) then
      return nil, files.images_too_large()
    end
    local image, err = files.read_image(row)
    return image and { name = row.file_name, image = image }, err
  end
  local content, err = files.process_file_content(user_id, row)
  return content and { name = row.file_name, text = content }, err
end

--- The contents of a new message's files.
---@param user_id integer
---@param ids integer[] of files.check_attached
---@param room ImageRoom changed
---@return AttachedText[]|nil texts
---@return tide.Error|nil err file_not_found, text_too_large, those of
--- files.process_file_content and files.read_image
function M.read(user_id, ids, room)
  local texts, bytes = {}, 0
  for i, id in ipairs(ids) do
    local row, unknown = files.get_file_by_id(user_id, id)
    if not row then
      return nil, unknown
    end
    local file, err = read_one(user_id, row, room)
    if not file then
      return nil, err
    end
    bytes = bytes + #(file.text or "")
    if bytes > MESSAGE_MAX then
      return nil, errors.new("text_too_large")
    end
    texts[i] = file
  end
  return texts
end

--- What an earlier image may have become since; anything else (a server that
--- is busy) is an error, or the model would be asked about something else.
local LOST = {
  file_missing = true,
  image_unreadable = true,
  images_too_large = true,
}

--- An image of an earlier message, while there is room and it can be read.
---@param row table of files
---@param room ImageRoom|nil changed; nil = the model takes no images
---@return AttachedText|nil file, tide.Error|nil err
local function read_image_again(row, room)
  local image, err
  if room and fits(room, row) then
    image, err = files.read_image(row)
  end
  if err and not LOST[err.code] then
    return nil, err
  end
  return {
    name = row.file_name,
    image = image,
    text = "(an image that is not sent again)",
  }
end

--- What is left of one earlier message's files: deleted ones are left out.
---@param user_id integer
---@param ids integer[]
---@param room integer bytes of text that may still come
---@param images ImageRoom|nil
---@return AttachedText[]|nil texts, integer|tide.Error room
local function read_again(user_id, ids, room, images)
  local texts = {}
  for _, id in ipairs(ids) do
    local row, err = files.get_file_by_id(user_id, id)
    if not row and err.code ~= "file_not_found" then
      return nil, err
    elseif row and policy.is_image(row.file_type) then
      local image, unread = read_image_again(row, images)
      if not image then
        return nil, unread
      end
      texts[#texts + 1] = image
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

--- Notes the files of the messages of a conversation that have some.
---@param user_id integer
---@param conversation tide.Messages oldest first; changed
---@param images ImageRoom|nil changed; nil = the model takes none
---@return true|nil ok, tide.Error|nil err
function M.fill(user_id, conversation, images)
  local room = HISTORY_MAX
  local numbers = conversation:with_files()
  for at = #numbers, 1, -1 do
    local i = numbers[at]
    if conversation:role(i) == "user" then
      local ids = json.decode(conversation:file_ids(i))
      local texts, left = read_again(user_id, ids, room, images)
      if not texts then
        return nil, left
      end
      conversation:set_files(i, texts)
      room = left
    end
  end
  return true
end

return M
