--- OpenAI's objects. Pure. What a request may ask for and what is read of it;
--- answers and chunks are written by the core (core/chat/completion.c).
--- Source: https://platform.openai.com/docs/api-reference/chat

local errors = require "lib.errors"
local json = require "tide.json"
local known_models = require "models.known_models"

local M = {}

--- Fields of a request that the provider's script gets under their names.
local NAMED = { "tools", "tool_choice", "max_tokens" }

--- Fields that are ours to use; all others go to the provider as they came.
local OWN = {
  model = true,
  messages = true,
  stream = true,
  stream_options = true,
}

--- Whether a request asks for audio.
---@param modalities any
---@return boolean
local function has_audio(modalities)
  for _, name in ipairs(type(modalities) == "table" and modalities or {}) do
    if name == "audio" then
      return true
    end
  end
  return false
end

--- What a reply here cannot carry: refused instead of left out silently.
---@type table<string, fun(value: any): boolean>
local UNSUPPORTED = {
  n = function(n)
    return n ~= 1
  end,
  logprobs = function(wanted)
    return wanted ~= false
  end,
  modalities = has_audio,
}
local NAMES = { "n", "logprobs", "modalities" }

--- A field's value, whether it is read or as it came.
---@param value any
---@return any
local function decoded(value)
  if type(value) == "userdata" and value ~= json.null then
    return (json.decode(value))
  end
  return value
end

--- Whether a request has tools whose calls are free text. Looks into the tools
--- only where the word is: lists of them are long.
---@param tools any read, or as they came
---@return boolean
local function has_custom(tools)
  if tools and type(tools) ~= "table" then
    local text = tostring(tools)
    tools = text:find('"custom"', 1, true) and json.decode(text)
  end
  for _, tool in ipairs(type(tools) == "table" and tools or {}) do
    if type(tool) == "table" and tool.type == "custom" then
      return true
    end
  end
  return false
end

--- Whether a reply here can be what a request asks for.
---@param body table
---@return boolean|nil supported
---@return tide.Error|nil err unsupported_parameter
function M.check(body)
  for _, name in ipairs(NAMES) do
    local value = decoded(body[name])
    if value ~= nil and value ~= json.null and UNSUPPORTED[name](value) then
      return nil, errors.new("unsupported_parameter", { field = name })
    end
  end
  if has_custom(body.tools) then
    return nil, errors.new("unsupported_parameter", { field = "tools" })
  end
  return true
end

--- What a request asks of the model besides its messages.
---@param body table the request, decoded
---@return {tools?: table[], tool_choice?: string|table, max_tokens?: integer,
--- options: table<string, any>} parameters the part of tide.ProviderRequest
--- that a client decides
function M.parameters(body)
  local parameters = { options = {} }
  for name, value in pairs(body) do
    if not OWN[name] then
      parameters.options[name] = value
    end
  end
  for _, name in ipairs(NAMED) do
    parameters[name] = parameters.options[name]
    parameters.options[name] = nil
  end
  return parameters
end

--- The text of a message's content, which may come in parts.
---@param content any
---@return string
function M.text_of(content)
  if type(content) == "string" then
    return content
  end
  local parts = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do
    if type(part) == "table" and type(part.text) == "string" then
      parts[#parts + 1] = part.text
    end
  end
  return table.concat(parts, "\n")
end

--- The conversation as plain texts.
---@param messages table[]
---@return {role: string, content: string}[]
function M.plain(messages)
  local plain = {}
  for i, message in ipairs(messages) do
    plain[i] =
      { role = message.role, content = M.text_of(message.content) }
  end
  return plain
end

--- The text of the last message that a user wrote.
---@param messages table[]
---@return string
function M.last_question(messages)
  for i = #messages, 1, -1 do
    if messages[i].role == "user" then
      return M.text_of(messages[i].content)
    end
  end
  return ""
end

--- The texts of a member of a request: one, or a list of them, or of objects
--- with a text. Embeddings of tokens have none.
---@param input any read, or as it came
---@return string[]
function M.inputs(input)
  local texts = {}
  input = decoded(input)
  for _, one in ipairs(type(input) == "table" and input or { input }) do
    local text = type(one) == "table" and one.text or one
    if type(text) == "string" then
      texts[#texts + 1] = text
    end
  end
  return texts
end

---@param model table of models/models
---@return table model as OpenAI has it
function M.model(model)
  return {
    id = model.model_name,
    object = "model",
    created = 0, -- nobody knows when
    owned_by = model.provider,
    -- These two are not OpenAI's.
    type = known_models.kind(model.upstream_name),
    context_window = known_models.context_window(
      model.upstream_name,
      model.provider
    ),
  }
end

return M
