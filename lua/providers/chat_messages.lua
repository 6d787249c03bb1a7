--- What providers need to read OpenAI's messages and put them into a form of
--- their own. Pure.

local json = require "tide.json"

local M = {}

--- Clients write null for what they do not set.
---@generic T
---@param value T
---@return T|nil
function M.present(value)
  if value == json.null then
    return nil
  end
  return value
end

---@class ChatPart one of the two fields
---@field text? string
---@field image? ChatImage

--- An image: its bytes, or where it lies.
---@class ChatImage
---@field media_type? string "image/png"
---@field base64? string|tide.FileData
---@field data_url? string|tide.FileData the same with its head
---@field url? string

--- An image by the address that OpenAI's messages have.
---@param url string
---@return ChatImage|nil
local function image_of(url)
  if type(url) ~= "string" then
    return nil
  end
  local head, data = url:find(";base64,", 1, true)
  if url:sub(1, 5) == "data:" and head then
    return {
      media_type = url:sub(6, head - 1),
      base64 = url:sub(data + 1),
      data_url = url,
    }
  end
  return { url = url }
end

--- The image of a part that is one of ours; clients may send anything.
---@param part any
---@return ChatImage|nil
function M.image(part)
  local ours = type(part) == "table"
    and part.type == "image"
    and type(part.image) == "table"
  return ours and part.image or nil
end

--- A message's content as texts and images; parts of other kinds and empty
--- texts are left out.
---@param content any
---@return ChatPart[]
function M.parts(content)
  if type(content) == "string" then
    return content ~= "" and { { text = content } } or {}
  end
  local parts = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do
    local named = type(part) == "table" and part or {}
    local url = type(named.image_url) == "table" and named.image_url.url
    if type(named.text) == "string" and named.text ~= "" then
      parts[#parts + 1] = { text = named.text }
    else
      local image = url and image_of(url) or M.image(part)
      parts[#parts + 1] = image and { image = image }
    end
  end
  return parts
end

--- The texts of a message's content.
---@param content any
---@return string
function M.text(content)
  local texts = {}
  for _, part in ipairs(M.parts(content)) do
    texts[#texts + 1] = part.text
  end
  return table.concat(texts, "\n\n")
end

--- What the system messages say together; nil = there are none.
---@param messages tide.ChatMessage[]
---@return string|nil
function M.system(messages)
  local texts = {}
  for _, message in ipairs(messages) do
    if M.is_system(message) then
      texts[#texts + 1] = M.text(message.content)
    end
  end
  local text = table.concat(texts, "\n\n")
  return text ~= "" and text or nil
end

---@param message tide.ChatMessage
---@return boolean
function M.is_system(message)
  return message.role == "system" or message.role == "developer"
end

--- Those of a list that are about functions: all providers have these.
---@param list table[]|nil tools, or calls of them
---@return table[]
function M.functions(list)
  local functions = {}
  for _, item in ipairs(M.present(list) or {}) do
    functions[#functions + 1] = item["function"] and item
  end
  return functions
end

--- The tool calls of a message.
---@param message tide.ChatMessage
---@return table[]
function M.calls(message)
  return M.functions(message.tool_calls)
end

--- A call's arguments as a table: some upstreams want them so.
---@param call table
---@return table
function M.arguments(call)
  local arguments = json.decode(call["function"].arguments or "")
  return type(arguments) == "table" and arguments or {}
end

--- The name of the function that each call was for: a tool's result names only
--- the call.
---@param messages tide.ChatMessage[]
---@return table<string, string> id of a call -> name
function M.call_names(messages)
  local names = {}
  for _, message in ipairs(messages) do
    for _, call in ipairs(M.calls(message)) do
      names[call.id] = call["function"].name
    end
  end
  return names
end

--- Appends to the last turn when it is of the same role, which the upstream
--- wants to alternate, or begins a new one.
---@param turns table[] changed
---@param role string
---@param key string of the list of parts in a turn
---@param parts table[]
function M.append(turns, role, key, parts)
  local last = turns[#turns]
  if #parts == 0 then
    return
  elseif not last or last.role ~= role then
    last = { role = role, [key] = json.array({}) }
    turns[#turns + 1] = last
  end
  table.move(parts, 1, #parts, #last[key] + 1, last[key])
end

--- The function that a choice of a tool names.
---@param choice string|table|nil
---@return string|nil name
function M.chosen(choice)
  local named = type(choice) == "table" and choice["function"]
  return type(named) == "table" and named.name or nil
end

--- How an answer must be formed: nil when it is free.
---@param request tide.ProviderRequest
---@return true|table|nil format true = any JSON, else a JSON schema
function M.json_format(request)
  local format = (request.options or {}).response_format
  if type(format) ~= "table" or format.type == "text" then
    return nil
  end
  local named = format.json_schema
  return type(named) == "table" and M.present(named.schema) or true
end

--- What may stop an answer, as a list.
---@param stop string|string[]|nil
---@return string[]|nil
function M.stops(stop)
  stop = M.present(stop)
  return type(stop) == "string" and json.array({ stop }) or stop
end

--- The longest answer that the request allows.
---@param request tide.ProviderRequest
---@return integer|nil
function M.max_tokens(request)
  local options = request.options or {}
  return M.present(request.max_tokens)
    or M.present(options.max_completion_tokens)
end

return M
