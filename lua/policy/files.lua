--- Which files are text for a model, and how their text is put before it.
--- Pure: names and texts in, decisions and texts out.

local M = {}

--- Characters of a file's name.
M.NAME_MAX = 255

-- The contract's list, and what the core extracts text from.
local READABLE = {}
for extension in
  (".txt .py .go .c .cpp .h .hpp .js .ts .java .html .css .md .json .xml "
    .. ".yaml .yml .pdf .docx"):gmatch("%S+")
do
  READABLE[extension] = true
end

local IMAGES = {
  [".png"] = true,
  [".jpg"] = true,
  [".jpeg"] = true,
  [".webp"] = true,
  [".gif"] = true,
}

--- What one message may bring, and the messages before it together: what the
--- vendors' limits have in common.
M.IMAGES_MAX = 8
M.IMAGE_BYTES_MAX = 5 * 1024 * 1024
M.IMAGES_BYTES_MAX = 12 * 1024 * 1024

--- Whether files of this type are images for a model that takes some.
---@param file_type string extension with dot, small letters
---@return boolean
function M.is_image(file_type)
  return IMAGES[file_type] == true
end

---@param list string[]
---@param wanted string
---@return boolean
local function contains(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then
      return true
    end
  end
  return false
end

--- Whether files of this type have text for a model.
---@param file_type string extension with dot, small letters; "" = none
---@param more string[] further types of the configuration
---@return boolean
function M.readable(file_type, more)
  return READABLE[file_type] or contains(more, file_type)
end

--- Whether files of this type may be uploaded.
---@param file_type string
---@param types string[] of the configuration; empty = all
---@return boolean
function M.allowed(file_type, types)
  return #types == 0 or contains(types, file_type)
end

---@class AttachedText
---@field name string of the file
---@field text? string nil = left out, there was too much of it
---@field image? tide.Image instead of a text

--- A user's message as the model gets it: the text, then one block a file.
---@param message string
---@param files AttachedText[]|nil
---@return string
local function with_files(message, files)
  local parts = {}
  if message ~= "" then
    parts[1] = message
  end
  for _, file in ipairs(files or {}) do
    local text = file.text or "(too long to be sent again)"
    if not file.image then
      parts[#parts + 1] = ("=== %s ===\n%s"):format(file.name, text)
    end
  end
  return table.concat(parts, "\n\n")
end

--- The content of a user's message: a text, or a list of parts when there are
--- images.
---@param message string
---@param files AttachedText[]|nil
---@return string|table[]
function M.content(message, files)
  if not files then
    return message
  end
  local text = with_files(message, files)
  local parts = { text ~= "" and { type = "text", text = text } or nil }
  local images = 0
  for _, file in ipairs(files or {}) do
    if file.image then
      images = images + 1
      parts[#parts + 1] = { type = "image", image = file.image }
    end
  end
  return images > 0 and parts or text
end

return M
