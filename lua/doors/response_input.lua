--- The items of OpenAI's Responses as messages of its chat completions. Pure.
--- Texts and pictures are passed on; reasoning is kept beside the messages, for
--- the providers that want it back. Nothing is left out silently.
--- Source: https://platform.openai.com/docs/api-reference/responses/create and
--- https://www.openresponses.org/specification

local errors = require "lib.errors"
local json = require "tide.json"
local response_tools = require "doors.response_tools"

local M = {}

---@param place string such as "input[2]"
---@param kind any
---@return nil, tide.Error
local function unsupported(place, kind)
  return nil,
    errors.new("unsupported_type", {
      field = place,
      type = type(kind) == "string" and kind or json.encode(kind),
    })
end

---@param place string
---@param name string
---@return nil, tide.Error
local function missing(place, name)
  return nil, errors.new("missing_field", { field = place .. "." .. name })
end

---@param value any
---@return any value nil for null
local function present(value)
  return value ~= json.null and value or nil
end

--- Parts of content by their type: what they are for a model.
---@alias PartReader fun(part: tide.Raw, place: string): table|nil, tide.Error?
---@type table<string, PartReader>
local PARTS = {}

function PARTS.input_text(part, place)
  local text = part:get("text")
  if type(text) ~= "string" then
    return missing(place, "text")
  end
  return { type = "text", text = text }
end

PARTS.output_text = PARTS.input_text
PARTS.text = PARTS.input_text

function PARTS.refusal(part, place)
  local text = part:get("refusal")
  if type(text) ~= "string" then
    return missing(place, "refusal")
  end
  return { type = "text", text = text }
end

function PARTS.input_image(part, place)
  local url, detail = part:members("image_url", "detail")
  if type(url) ~= "string" then
    return missing(place, "image_url") -- an uploaded file's id is none of ours
  end
  return {
    type = "image_url",
    image_url = { url = url, detail = present(detail) },
  }
end

function PARTS.input_file(part, place)
  local data, name = part:members("file_data", "filename")
  if type(data) ~= "string" then
    return missing(place, "file_data")
  end
  return {
    type = "file",
    file = { file_data = data, filename = present(name) },
  }
end

---@param parts table[]
---@return boolean
local function are_texts(parts)
  for _, part in ipairs(parts) do
    if part.type ~= "text" then
      return false
    end
  end
  return true
end

---@param parts table[] texts
---@return string
local function joined(parts)
  local texts = {}
  for i, part in ipairs(parts) do
    texts[i] = part.text
  end
  return table.concat(texts)
end

--- The content of an item. Where one text says it all, it is a text: some
--- upstreams know nothing else.
---@param content any
---@param place string
---@param plain boolean several texts are one, too
---@return string|table[]|nil content, tide.Error|nil err
local function read_content(content, place, plain)
  if type(content) == "string" then
    return content
  elseif not json.is_raw(content) or content:type() ~= "array" then
    return nil, errors.new("missing_field", { field = place })
  end
  local parts = json.array({})
  for i, part in content:each() do
    local where = ("%s[%d]"):format(place, i)
    local kind = json.is_raw(part) and part:get("type")
    local read = PARTS[kind]
    if not read then
      return unsupported(where, kind)
    end
    local made, err = read(part, where)
    if not made then
      return nil, err
    end
    parts[#parts + 1] = made
  end
  if are_texts(parts) and (plain or #parts <= 1) then
    return joined(parts)
  end
  return parts
end

--- The last message, if it is an assistant's that an item may belong to.
---@param messages table[]
---@return table|nil message
local function open_reply(messages)
  local last = messages[#messages]
  return last and last.role == "assistant" and last or nil
end

local ROLES = {
  user = "user",
  assistant = "assistant",
  system = "system",
  -- OpenAI's newer word, which other upstreams do not know.
  developer = "system",
}

---@class ToolsOfItem
---@field list tide.Raw
---@field place string such as "input[0].tools"

---@class ConversationOfItems
---@field messages table[]
---@field reasoning CallReasoning of the messages
---@field tools ToolsOfItem[] that items add
---@field open? string what the reply that is being read has thought so far

--- A conversation without items.
---@return ConversationOfItems
function M.conversation()
  return { messages = {}, reasoning = {}, tools = {} }
end

--- Items by their type: each adds what it is to the conversation.
---@alias ItemReader fun(to: ConversationOfItems, item: tide.Raw, at: string)
---@type table<string, ItemReader> each returns true, or nil and an error
local ITEMS = {}

function ITEMS.message(about, item, place)
  local messages = about.messages
  local role, raw = item:members("role", "content")
  if not ROLES[role] then
    return missing(place, "role")
  end
  local content, err =
    read_content(raw, place .. ".content", role == "assistant")
  if not content then
    return nil, err
  end
  local reply = role == "assistant" and open_reply(messages)
  if reply and reply.content == json.null then
    reply.content = content -- a text behind the calls of the same reply
    return true
  end
  messages[#messages + 1] = { role = ROLES[role], content = content }
  if role ~= "assistant" then
    about.open = nil
  end
  return true
end

--- Adds a call to the reply that it belongs to.
---@param about ConversationOfItems changed
---@param item tide.Raw
---@param place string
---@param arguments string
---@return true|nil ok, tide.Error|nil err missing_field
local function add_call(about, item, place, arguments)
  local messages = about.messages
  local id, name, space, extra =
    item:members("call_id", "name", "namespace", "extra_content")
  if type(id) ~= "string" then
    return missing(place, "call_id")
  elseif type(name) ~= "string" then
    return missing(place, "name")
  end
  local reply = open_reply(messages)
  if not reply then
    reply = { role = "assistant", content = json.null }
    messages[#messages + 1] = reply
  end
  if not reply.tool_calls then
    reply.tool_calls = json.array({})
    about.reasoning[id] = about.open
  end
  about.open = nil
  reply.tool_calls[#reply.tool_calls + 1] = {
    id = id,
    type = "function",
    ["function"] = {
      name = response_tools.called(space, name),
      arguments = arguments,
    },
    extra_content = present(extra),
  }
  return true
end

function ITEMS.function_call(about, item, place)
  local arguments = item:get("arguments")
  return add_call(
    about,
    item,
    place,
    type(arguments) == "string" and arguments or "{}"
  )
end

function ITEMS.custom_tool_call(about, item, place)
  local input = item:get("input")
  if type(input) ~= "string" then
    return missing(place, "input")
  end
  return add_call(about, item, place, json.encode({ input = input }))
end

function ITEMS.function_call_output(about, item, place)
  local id, output = item:members("call_id", "output")
  if type(id) ~= "string" then
    return missing(place, "call_id")
  end
  local content, err = read_content(output, place .. ".output", true)
  if not content then
    return nil, err
  end
  about.messages[#about.messages + 1] =
    { role = "tool", tool_call_id = id, content = content }
  about.open = nil
  return true
end

ITEMS.custom_tool_call_output = ITEMS.function_call_output

--- An image that a model has made: the text beside it names it, and models
--- take none back from themselves.
function ITEMS.image_generation_call()
  return true
end

--- Codex declares its tools so, for some models.
function ITEMS.additional_tools(about, item, place)
  local list = item:get("tools")
  if not json.is_raw(list) or list:type() ~= "array" then
    return missing(place, "tools")
  end
  about.tools[#about.tools + 1] = { list = list, place = place .. ".tools" }
  return true
end

--- A call that this server has made itself, and its result.
function ITEMS.mcp_call(about, item, place)
  local id, output, failure = item:members("id", "output", "error")
  local call = item:with({ call_id = id })
  local ok, err = ITEMS.function_call(about, call, place)
  if not ok then
    return nil, err
  end
  output = present(output) or present(failure)
  about.messages[#about.messages + 1] = {
    role = "tool",
    tool_call_id = id,
    content = type(output) == "string" and output or "",
  }
  return true
end

--- The texts of a list of parts; those of another kind are nobody's to read.
---@param parts any
---@return string
local function texts_of(parts)
  local texts = {}
  if json.is_raw(parts) and parts:type() == "array" then
    for _, part in parts:each() do
      local text = json.is_raw(part)
        and part:type() == "object"
        and part:get("text")
      texts[#texts + 1] = type(text) == "string" and text or nil
    end
  end
  return table.concat(texts)
end

--- The reasoning itself, or its summary: this server tells all of it as such.
function ITEMS.reasoning(about, item)
  local content, summary = item:members("content", "summary")
  local text = texts_of(content)
  text = text ~= "" and text or texts_of(summary)
  if text ~= "" then
    about.open = (about.open or "") .. text
  end
  return true
end

---@param item any
---@return string|nil kind
local function kind_of(item)
  if not json.is_raw(item) or item:type() ~= "object" then
    return nil
  end
  local kind, role = item:members("type", "role")
  if present(kind) == nil then
    return role and "message" or "item_reference"
  end
  return kind
end

--- The id that a reference names.
---@param item any
---@return string|nil id nil: it is no reference
function M.reference(item)
  if kind_of(item) ~= "item_reference" then
    return nil
  end
  local id = item:get("id")
  return type(id) == "string" and id or ""
end

--- A request's input as a list of items.
---@param input tide.Raw a text or a list
---@return any[] items each as it came
function M.items(input)
  if input:type() == "string" then
    return {
      json.raw(json.encode({
        type = "message",
        role = "user",
        content = json.array({
          { type = "input_text", text = json.decode(input) },
        }),
      })),
    }
  end
  local items = {}
  for _, item in input:each() do
    items[#items + 1] = item
  end
  return items
end

--- Adds what items say to a conversation.
---@param about ConversationOfItems changed
---@param items any[] without references
---@return true|nil ok, tide.Error|nil err unsupported_type, missing_field
function M.add(about, items)
  about.open = nil
  for i, item in ipairs(items) do
    local place = ("input[%d]"):format(i - 1)
    local kind = kind_of(item)
    local add = ITEMS[kind]
    if not add then
      return unsupported(place, kind)
    end
    local ok, err = add(about, item, place)
    if not ok then
      return nil, err
    end
  end
  return true
end

--- An item as it is shown to who asks for it: with an id and a status.
---@param item tide.Raw
---@param id string for an item without one
---@return tide.Raw
function M.shown(item, id)
  local own, role, content, status =
    item:members("id", "role", "content", "status")
  local changes = {
    id = present(own) or id,
    type = kind_of(item),
    status = present(status) or "completed",
  }
  if type(content) == "string" then
    local kind = role == "assistant" and "output_text" or "input_text"
    changes.content = json.array({ { type = kind, text = content } })
  end
  return item:with(changes)
end

return M
