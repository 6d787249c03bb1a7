--- Requests of OpenAI's Responses: what they ask, as a request for a chat
--- completion, and the head of the object that answers them. Pure. The rest of
--- that object (status, output, usage) is the reply's, and written by the core.
--- Source: https://platform.openai.com/docs/api-reference/responses/create and
--- https://www.openresponses.org/specification

local errors = require "lib.errors"
local json = require "tide.json"
local response_tools = require "doors.response_tools"

local M = {}

--- What a response here cannot be: refused instead of left out silently.
---@type table<string, fun(value: any): boolean>
local UNSUPPORTED = {
  conversation = function()
    return true
  end,
  prompt = function()
    return true
  end,
  context_management = function(list)
    return type(list) ~= "table" or #list > 0
  end,
  top_logprobs = function(count)
    return count ~= 0
  end,
  include = function(names)
    for _, name in ipairs(type(names) == "table" and names or {}) do
      if name == "message.output_text.logprobs" then
        return true
      end
    end
    return false
  end,
}
local NAMES = {
  "context_management", "conversation", "include", "prompt", "top_logprobs",
}

--- Fields that models know under the same name.
local SAME = {
  "frequency_penalty", "presence_penalty", "temperature", "top_p",
}

--- A field of the request that is not null.
---@param body table
---@param name string
---@return any value decoded; nil = there is none
local function field(body, name)
  local value = body[name]
  if json.is_raw(value) then
    value = json.decode(value)
  end
  return value ~= json.null and value or nil
end

--- A member of a field that is an object.
---@param body table
---@param name string
---@param key string
---@return any value nil = there is none
local function member(body, name, key)
  local object = body[name]
  if not json.is_raw(object) or object:type() ~= "object" then
    return nil
  end
  local value = object:get(key)
  return value ~= json.null and value or nil
end

--- Whether a response here can be what a request asks for.
---@param body table
---@return true|nil supported, tide.Error|nil err unsupported_parameter
function M.check(body)
  for _, name in ipairs(NAMES) do
    local value = field(body, name)
    if value ~= nil and UNSUPPORTED[name](value) then
      return nil, errors.new("unsupported_parameter", { field = name })
    end
  end
  if body.background and body.store == false then
    return nil, errors.new("unsupported_parameter", { field = "background" })
  end
  return true
end

--- How an answer must be formed, as a chat completion says it.
---@param format any of `text`
---@return table|nil response_format
---@return tide.Error|nil err unsupported_type
local function read_format(format)
  local kind = "text"
  if json.is_raw(format) then
    kind = format:get("type") or kind
  elseif format ~= nil then
    kind = "?"
  end
  if kind == "text" then
    return nil
  elseif kind == "json_object" then
    return { type = kind }
  elseif kind ~= "json_schema" then
    return nil,
      errors.new("unsupported_type", { field = "text.format", type = kind })
  end
  local name, schema, strict, description =
    format:members("name", "schema", "strict", "description")
  return {
    type = kind,
    json_schema = {
      name = name,
      schema = schema,
      strict = strict ~= json.null and strict or nil,
      description = description ~= json.null and description or nil,
    },
  }
end

--- The request for a chat completion.
---@param body table the request, checked
---@param about ConversationOfItems
---@return table|nil chat what completions.ask takes
---@return ResponseTools|tide.Error tools or the error
function M.chat(body, about)
  local tools, refused =
    response_tools.read(body.tools, about.tools, body.tool_choice)
  if not tools then
    return nil, refused
  end
  local format, unknown = read_format(member(body, "text", "format"))
  if unknown then
    return nil, unknown
  end
  local chat = {
    model = body.model,
    messages = json.array(about.messages),
    max_tokens = body.max_output_tokens,
    response_format = format,
    reasoning_effort = member(body, "reasoning", "effort"),
    verbosity = member(body, "text", "verbosity"),
  }
  if #tools.asked > 0 then
    chat.tools, chat.tool_choice = tools.asked, tools.choice
    chat.parallel_tool_calls = body.parallel_tool_calls
  end
  for _, name in ipairs(SAME) do
    chat[name] = body[name]
  end
  local request = json.raw(json.encode(chat))
  return {
    model = body.model,
    request = request,
    messages = request:get("messages"),
    tools = request:get("tools"),
    reasoning = about.reasoning,
  },
    tools
end

--- A value, or null, which OpenAI's objects have where others have nothing.
---@param value any
---@return any
local function or_null(value)
  if value == nil then
    return json.null
  end
  return value
end

---@param value any
---@param default any
---@return any
local function or_default(value, default)
  if value == nil then
    return default
  end
  return value
end

---@class ResponseName
---@field id string
---@field created integer seconds since 1970

---@class ResponseParts what the core needs to know of a response
---@field id string
---@field head string JSON, of M.head

--- The members of a response that never change.
---@param name ResponseName
---@param body table the request, checked
---@param tools ResponseTools
---@return string json an object
function M.head(name, body, tools)
  return json.encode({
    id = name.id,
    object = "response",
    created_at = name.created,
    model = body.model,
    background = body.background or false,
    frequency_penalty = or_default(body.frequency_penalty, 0),
    instructions = or_null(body.instructions),
    max_output_tokens = or_null(body.max_output_tokens),
    max_tool_calls = or_null(body.max_tool_calls),
    metadata = or_default(body.metadata, {}),
    parallel_tool_calls = or_default(body.parallel_tool_calls, true),
    presence_penalty = or_default(body.presence_penalty, 0),
    previous_response_id = or_null(body.previous_response_id),
    prompt_cache_key = or_null(body.prompt_cache_key),
    reasoning = {
      effort = or_null(member(body, "reasoning", "effort")),
      summary = or_null(member(body, "reasoning", "summary")),
    },
    safety_identifier = or_null(body.safety_identifier),
    service_tier = "default",
    store = body.store ~= false,
    temperature = or_default(body.temperature, 1),
    text = {
      format = member(body, "text", "format") or { type = "text" },
      verbosity = member(body, "text", "verbosity"),
    },
    tool_choice = tools.shown_choice,
    tools = tools.shown,
    top_logprobs = 0,
    top_p = or_default(body.top_p, 1),
    truncation = body.truncation or "disabled",
    user = body.user,
  })
end

return M
