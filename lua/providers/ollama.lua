--- Ollama's own API: one JSON object a line. It runs in one's own network, so
--- it has no address of its own, and the operator must allow the one that a
--- configuration gives (outbound.allow).
--- Source: Ollama documentation, "API", section "Generate a chat completion",
--- and the pages "Thinking" and "Tool calling".

local chat_messages = require "providers.chat_messages"
local json = require "tide.json"
local thinking = require "providers.thinking"

-- A whole answer is one line more.
local PATHS = {
  content = "message.content",
  reasoning = "message.thinking",
  image = "message.images.*",
  finish_reason = "done_reason",
  ended = "done",
  input_tokens = "prompt_eval_count",
  output_tokens = "eval_count",
  error = "error",
  -- Each call comes whole, its arguments as an object.
  tool_calls = {
    id = "message.tool_calls.*.id",
    name = {
      "message.tool_calls.*.function.name",
      "message.tool_calls.*.name",
    },
    arguments = {
      "message.tool_calls.*.function.arguments",
      "message.tool_calls.*.arguments",
    },
  },
}

local M = {
  name = "ollama",
  framing = "json_lines",
  images = true,
  key_optional = true,
  think_tags = true,
  stream = PATHS,
  whole = PATHS,
}

--- Ollama fetches no images: those that are only an address are left out.
---@param message tide.ChatMessage
---@return table[]|nil
local function images_of(message)
  local images = json.array({})
  for _, part in ipairs(chat_messages.parts(message.content)) do
    images[#images + 1] = part.image and part.image.base64
  end
  return #images > 0 and images or nil
end

---@param message tide.ChatMessage
---@return table[]|nil
local function calls_of(message)
  local calls = json.array({})
  for i, call in ipairs(chat_messages.calls(message)) do
    calls[i] = {
      ["function"] = {
        name = call["function"].name,
        arguments = chat_messages.arguments(call),
      },
    }
  end
  return #calls > 0 and calls or nil
end

---@param messages tide.ChatMessage[]
---@return table[]
local function messages_of(messages)
  local list = json.array({})
  local names = chat_messages.call_names(messages)
  for i, message in ipairs(messages) do
    list[i] = {
      role = chat_messages.is_system(message) and "system" or message.role,
      content = chat_messages.text(message.content),
      images = images_of(message),
      tool_calls = calls_of(message),
      tool_name = message.tool_call_id and names[message.tool_call_id],
    }
  end
  return list
end

--- Of OpenAI's options those that have the same meaning here.
local OPTIONS = {
  "temperature",
  "top_p",
  "top_k",
  "seed",
  "presence_penalty",
  "frequency_penalty",
}

---@param request tide.ProviderRequest
---@return table
local function options_of(request)
  local given = request.options or {}
  local options = {
    num_predict = chat_messages.max_tokens(request),
    stop = chat_messages.stops(given.stop),
  }
  for _, name in ipairs(OPTIONS) do
    options[name] = chat_messages.present(given[name])
  end
  return options
end

--- Models that know levels take these; the others take yes and no.
local LEVELS = { low = "low", medium = "medium", high = "high" }
local WITH_LEVELS = "^gpt%-oss"

---@param wanted ModelThinking
---@param model string
---@return table members
function M.thinking(wanted, model)
  local on = thinking.is_on(wanted)
  if on and model:find(WITH_LEVELS) then
    return { think = LEVELS[thinking.effort_of(wanted)] or "high" }
  end
  return { think = on }
end

---@param request tide.ProviderRequest
---@param path string
---@return string
local function url_of(request, path)
  return (request.base_url:gsub("/api$", "")) .. "/api" .. path
end

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.models(request)
  return {
    url = url_of(request, "/tags"),
    headers = {
      ["Authorization"] = request.key and { "Bearer ", request.key },
      ["Accept"] = "application/json",
    },
  }
end

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.build(request)
  local format = chat_messages.json_format(request)
  return {
    url = url_of(request, "/chat"),
    headers = {
      ["Authorization"] = request.key and { "Bearer ", request.key },
      ["Content-Type"] = "application/json",
      ["Accept"] = "application/x-ndjson",
    },
    body = {
      model = request.model,
      messages = messages_of(request.messages),
      stream = true,
      tools = chat_messages.present(request.tools),
      format = format == true and "json" or format,
      options = options_of(request),
    },
  }
end

return M
