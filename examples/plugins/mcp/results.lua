--- What a tool returned, as a text for the model. Images and other bytes are
--- named, not shown.

local json = require "tide.json"

local M = {}

local ITEMS_MAX = 200
--- The core cuts a result too, and says so to the model.
local TEXT_MAX = 128 * 1024

--- A text of something that a server says, on one line.
---@param value any
---@return string
local function word(value)
  return type(value) == "string" and value:sub(1, 300):gsub("%c", " ") or "?"
end

---@param data any a text in Base64
---@return integer bytes
local function size_of(data)
  return type(data) == "string" and #data * 3 // 4 or 0
end

---@param item tide.Raw
---@return string|nil
local function resource(item)
  local inner = item:get("resource")
  if not json.is_raw(inner) then
    return nil
  end
  local uri, text, kind, blob = inner:members("uri", "text", "mimeType", "blob")
  if type(text) == "string" then
    return ("[resource %s]\n%s"):format(word(uri), text)
  end
  return ("[resource %s, %s, %d bytes]"):format(
    word(uri),
    word(kind),
    size_of(blob)
  )
end

---@param item tide.Raw
---@return string|nil
local function text_of(item)
  local kind, text, mime, data, uri, name =
    item:members("type", "text", "mimeType", "data", "uri", "name")
  if kind == "text" then
    return type(text) == "string" and text or nil
  elseif kind == "image" or kind == "audio" then
    return ("[%s %s, %d bytes]"):format(kind, word(mime), size_of(data))
  elseif kind == "resource_link" then
    return ("[link %s: %s]"):format(word(name), word(uri))
  elseif kind == "resource" then
    return resource(item)
  end
  return ("[%s]"):format(word(kind))
end

---@param content any
---@return string[] texts, boolean has_text
local function texts_of(content)
  local texts, has_text, bytes = {}, false, 0
  if not json.is_raw(content) or content:type() ~= "array" then
    return texts, false
  end
  for index, item in content:each() do
    if index >= ITEMS_MAX or bytes > TEXT_MAX then
      texts[#texts + 1] = "[There is more, which was left out.]"
      break
    elseif json.is_raw(item) and item:type() == "object" then
      local text = text_of(item)
      has_text = has_text or item:get("type") == "text"
      texts[#texts + 1] = text
      bytes = bytes + #(text or "")
    end
  end
  return texts, has_text
end

--- The text of a result of tools/call.
---@param result tide.Raw
---@return string|nil text
---@return string|nil err
function M.text(result)
  local kind, content, structured, failed =
    result:members("resultType", "content", "structuredContent", "isError")
  if kind == "input_required" then
    return nil, "The tool needs an answer from a person, and cannot get one "
      .. "here."
  end
  local texts, has_text = texts_of(content)
  -- A text beside it says the same.
  if structured ~= nil and not has_text then
    texts[#texts + 1] = json.encode(structured)
  end
  local text = table.concat(texts, "\n")
  if failed == true then
    return nil, text ~= "" and text or "The tool failed."
  end
  return text ~= "" and text or "[The result is empty.]"
end

return M
