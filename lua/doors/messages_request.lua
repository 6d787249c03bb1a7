--- Requests of Anthropic's Messages API as requests in OpenAI's chat form. What
--- is large (texts, schemas, arguments) stays as it came. Pure.
--- Source: Claude API reference, "Messages" (create)

local errors = require "lib.errors"
local json = require "tide.json"
local chat_messages = require "providers.chat_messages"

local present = chat_messages.present

local M = {}

---@class MessagesReading what became of a request so far
---@field messages table[] as OpenAI has them
---@field refused? string the first thing that has no place in that form
---@field reasoning CallReasoning

---@param reading MessagesReading changed
---@param what string
---@return nil
local function refuse(reading, what)
  reading.refused = reading.refused or what
end

--- Members of a text that only their vendor understands.
local VENDORS = { "cache_control", "citations" }

---@alias MessagesPart tide.Raw|table a part of a content in OpenAI's form
---@alias BlockReader fun(block: tide.Raw, reading: MessagesReading): table?

---@type table<string, BlockReader>
local parts = {}

function parts.text(block)
  local cache, citations = block:members("cache_control", "citations")
  if cache == nil and citations == nil then
    return block
  end
  return block:with({}, VENDORS)
end

function parts.image(block, reading)
  local source = block:get("source")
  if not json.is_raw(source) then
    return refuse(reading, "image.source")
  end
  local kind, media_type, data, url =
    source:members("type", "media_type", "data", "url")
  if kind == "base64" then
    url = ("data:%s;base64,%s"):format(tostring(media_type), tostring(data))
  elseif kind ~= "url" then
    return refuse(reading, "image.source." .. tostring(kind))
  end
  return { type = "image_url", image_url = { url = url } }
end

--- A text goes on as a text. Files of other kinds have no place in most
--- providers' APIs.
function parts.document(block, reading)
  local title, source = block:members("title", "source")
  local kind = json.is_raw(source) and source:get("type")
  local data = kind == "text" and source:get("data")
  if type(data) ~= "string" then
    return refuse(reading, "document.source." .. tostring(kind or nil))
  end
  title = type(title) == "string" and title .. "\n\n" or ""
  return { type = "text", text = title .. data }
end

--- A block as a part of a content in OpenAI's form.
---@param block tide.Raw
---@param reading MessagesReading changed
---@return MessagesPart|nil
local function part_of(block, reading)
  local kind = block:get("type")
  local read = type(kind) == "string" and parts[kind]
  if not read then
    return refuse(reading, type(kind) == "string" and kind or "content.type")
  end
  return read(block, reading)
end

---@param part MessagesPart
---@return string|nil text nil: it is none
local function text_of(part)
  local text
  if json.is_raw(part) then
    text = part:get("text")
  else
    text = part.text
  end
  return type(text) == "string" and text or nil
end

--- The texts of a list of blocks, one after the other.
---@param blocks any
---@param between string
---@param reading MessagesReading changed
---@return string
local function texts_of(blocks, between, reading)
  if not json.is_raw(blocks) then
    return type(blocks) == "string" and blocks or ""
  end
  local texts = {}
  for _, block in blocks:each() do
    local part = part_of(block, reading)
    texts[#texts + 1] = part and text_of(part)
  end
  return table.concat(texts, between)
end

--- A tool's result: texts become its message. Pictures, for which that has no
--- place, join what the user says.
---@param block tide.Raw
---@param rest MessagesPart[] changed
---@param reading MessagesReading changed
local function add_result(block, rest, reading)
  local id, content, failed =
    block:members("tool_use_id", "content", "is_error")
  local texts = { failed == true and "The tool failed." or nil }
  if type(content) == "string" then
    texts[#texts + 1] = content
  elseif json.is_raw(content) then
    for _, inner in content:each() do
      local part = part_of(inner, reading)
      local text = part and text_of(part)
      texts[#texts + 1] = text
      rest[#rest + 1] = not text and part or nil
    end
  end
  reading.messages[#reading.messages + 1] = {
    role = "tool",
    tool_call_id = id,
    content = table.concat(texts, "\n\n"),
  }
end

--- A user's turn: the results of tools come first.
---@param content tide.Raw
---@param reading MessagesReading changed
local function add_user(content, reading)
  local rest = {}
  local before = #reading.messages
  for _, block in content:each() do
    if block:get("type") == "tool_result" then
      add_result(block, rest, reading)
    else
      rest[#rest + 1] = part_of(block, reading)
    end
  end
  if #rest == 0 and #reading.messages > before then
    return
  end
  local text = #rest == 1 and text_of(rest[1])
  if #rest == 0 then
    text = ""
  end
  reading.messages[#reading.messages + 1] =
    { role = "user", content = text or json.array(rest) }
end

---@param block tide.Raw
---@return string|nil text nil: there is none
local function text_of_thought(block)
  local text = block:get("thinking")
  return type(text) == "string" and text ~= "" and text or nil
end

--- A model's turn. Its thoughts are kept apart: most vendors do not take them.
---@param content tide.Raw
---@param reading MessagesReading changed
local function add_assistant(content, reading)
  local texts, thoughts, calls = {}, {}, json.array({})
  for _, block in content:each() do
    local kind, id, name, input = block:members("type", "id", "name", "input")
    if kind == "tool_use" then
      calls[#calls + 1] = {
        id = id,
        type = "function",
        ["function"] = {
          name = name,
          arguments = json.is_raw(input) and tostring(input) or "{}",
        },
      }
    elseif kind == "thinking" then
      thoughts[#thoughts + 1] = text_of_thought(block)
    elseif kind ~= "redacted_thinking" then
      local part = part_of(block, reading)
      texts[#texts + 1] = part and text_of(part)
    end
  end
  reading.messages[#reading.messages + 1] = {
    role = "assistant",
    content = #texts > 0 and table.concat(texts)
      or #calls == 0 and ""
      or json.null,
    tool_calls = #calls > 0 and calls or nil,
  }
  local first = calls[1] and calls[1].id
  if type(first) == "string" and #thoughts > 0 then
    reading.reasoning[first] = table.concat(thoughts)
  end
end

---@param message tide.Raw
---@param reading MessagesReading changed
local function add_message(message, reading)
  local role, content = message:get("role"), message:type("content")
  if content ~= "array" then
    -- A text is written in the same way.
    reading.messages[#reading.messages + 1] = message
  elseif role == "assistant" then
    add_assistant(message:get("content"), reading)
  elseif role == "system" then
    reading.messages[#reading.messages + 1] = {
      role = role,
      content = texts_of(message:get("content"), "\n\n", reading),
    }
  else
    add_user(message:get("content"), reading)
  end
end

---@param tools any
---@param reading MessagesReading changed
---@return table[]|nil
local function tools_of(tools, reading)
  if not json.is_raw(tools) then
    return nil
  end
  local list = json.array({})
  for _, tool in tools:each() do
    local kind, name, description, schema, strict =
      tool:members("type", "name", "description", "input_schema", "strict")
    kind = present(kind)
    if kind and kind ~= "custom" then
      -- The vendor runs it, or only its models know how to call it.
      refuse(reading, "tools." .. tostring(kind))
    else
      list[#list + 1] = {
        type = "function",
        ["function"] = {
          name = name,
          description = present(description),
          parameters = present(schema),
          strict = present(strict),
        },
      }
    end
  end
  return #list > 0 and list or nil
end

local CHOICES = { auto = "auto", any = "required", none = "none" }

---@param choice any
---@return string|table|nil choice in OpenAI's form
---@return false|nil parallel false: one call at a time
local function choice_of(choice)
  if not json.is_raw(choice) then
    return nil
  end
  local kind, name, one_by_one =
    choice:members("type", "name", "disable_parallel_tool_use")
  local wanted = CHOICES[kind]
  if kind == "tool" then
    wanted = { type = "function", ["function"] = { name = name } }
  end
  local parallel
  if one_by_one == true then
    parallel = false
  end
  return wanted, parallel
end

--- How the answer must be formed.
---@param config any of the output
---@return table|nil response_format
local function format_of(config)
  local format = json.is_raw(config) and config:get("format")
  if not json.is_raw(format) or format:get("type") ~= "json_schema" then
    return nil
  end
  return {
    type = "json_schema",
    json_schema = {
      name = "answer",
      schema = format:get("schema"),
      strict = true,
    },
  }
end

---@param whole tide.Raw the request
---@return MessagesReading
local function read_messages(whole)
  local reading = { messages = json.array({}), reasoning = {} }
  local system = texts_of(whole:get("system"), "\n\n", reading)
  if system ~= "" then
    reading.messages[1] = { role = "system", content = system }
  end
  for _, message in whole:get("messages"):each() do
    add_message(message, reading)
  end
  return reading
end

--- A request in OpenAI's form, for completions.ask.
---@param whole tide.Raw the request, checked
---@param headers table<string, string> those that its vendor reads
---@return table|nil body
---@return tide.Error|nil err invalid_json: it is nested too deeply
function M.chat(whole, headers)
  local reading = read_messages(whole)
  local model, tools, choice, stops, config, servers = whole:members(
    "model",
    "tools",
    "tool_choice",
    "stop_sequences",
    "output_config",
    "mcp_servers"
  )
  local limit, temperature, top_p, top_k =
    whole:members("max_tokens", "temperature", "top_p", "top_k")
  local declared = tools_of(tools, reading)
  local wanted, parallel = choice_of(choice)
  if json.is_raw(servers) and servers:get("0") ~= nil then
    refuse(reading, "mcp_servers")
  end
  local request, deep = json.raw(json.encode({
    model = model,
    messages = reading.messages,
    tools = declared,
    tool_choice = declared and wanted,
    parallel_tool_calls = declared and parallel,
    max_tokens = limit,
    stop = json.is_raw(stops) and stops:get("0") ~= nil and stops or nil,
    temperature = present(temperature),
    top_p = present(top_p),
    top_k = present(top_k),
    response_format = format_of(config),
  }))
  if not request then
    return nil, errors.new(deep.code, { reason = deep.message })
  end
  return {
    model = model,
    request = request,
    messages = request:get("messages"),
    tools = request:get("tools"),
    refused = reading.refused,
    reasoning = reading.reasoning,
    came = { form = "messages", request = whole, headers = headers },
  }
end

return M
