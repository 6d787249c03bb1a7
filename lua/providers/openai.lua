--- OpenAI's chat completions, and everything that speaks the same (most do).
--- `build` makes the request; the answer is read in C at the paths below, so
--- no Lua runs for a token. Upstreams are always asked to stream, also for
--- answers that are not streamed to the client: a reply belongs to the server.
--- Source: OpenAI API reference, "Chat" (create, the chat completion object,
--- the chat completion chunk object).

local chat_messages = require "providers.chat_messages"
local json = require "tide.json"
local thinking = require "providers.thinking"

local M = {
  name = "openai",
  --- The address of configurations without one.
  base_url = "https://api.openai.com/v1",
  --- Where the API is at an address that is only a host.
  version = "/v1",
  framing = "sse",
  done = "[DONE]",
  stream = {
    content = {
      "choices.0.delta.content",
      -- Mistral's models that think send a list of parts.
      "choices.0.delta.content.*[type=text].text",
      "choices.0.delta.content.*[type=output_text].text",
      "choices.0.delta.content.*[!type].text",
      "choices.0.delta.content.*",
      "choices.0.delta.refusal",
      -- Servers that know no chat.
      "choices.0.text",
    },
    -- Not OpenAI's own: the first is what DeepSeek, Qwen and Zhipu send, the
    -- second OpenRouter and vLLM, the third GitHub's models.
    reasoning = {
      "choices.0.delta.reasoning_content",
      "choices.0.delta.reasoning",
      "choices.0.delta.reasoning_text",
      "choices.0.delta.reasoning_details.*.text",
      "choices.0.delta.reasoning_details.*.summary",
      "choices.0.delta.content.*[type=thinking].thinking.*.text",
      "choices.0.delta.content.*[type=thinking].thinking",
      "choices.0.delta.content.*[type=reasoning_text].text",
      "choices.0.delta.content.*[type=reasoning].text",
      "choices.0.delta.content.*[type=reasoning].content.*.text",
      "choices.0.delta.content.*[type=reasoning].summary.*.text",
    },
    -- OpenRouter's, and parts of content.
    image = {
      "choices.0.delta.images.*",
      "choices.0.delta.content.*.image_url",
      "choices.0.delta.content.*[type=image][!image_url]",
    },
    finish_reason = "choices.0.finish_reason",
    input_tokens = "usage.prompt_tokens",
    output_tokens = "usage.completion_tokens",
    -- Where Kimi and Groq have them.
    input_tokens_else = {
      "choices.0.usage.prompt_tokens",
      "x_groq.usage.prompt_tokens",
      "usage.input_tokens",
    },
    output_tokens_else = {
      "choices.0.usage.completion_tokens",
      "x_groq.usage.completion_tokens",
      "usage.output_tokens",
    },
    -- The others are DeepSeek's and Kimi's.
    cached_tokens = {
      "usage.prompt_tokens_details.cached_tokens",
      "usage.prompt_cache_hit_tokens",
      "usage.cached_tokens",
    },
    reasoning_tokens = "usage.completion_tokens_details.reasoning_tokens",
    carried = {
      annotations = "choices.0.delta.annotations",
      -- OpenRouter's, which it wants back when tools are used.
      reasoning_details = "choices.0.delta.reasoning_details",
      system_fingerprint = "system_fingerprint",
    },
    error = { "error", "[object=error].object", "choices.0.error" },
    error_type = { "error.code", "error.type" },
    tool_calls = {
      index = "choices.0.delta.tool_calls.*.index",
      id = "choices.0.delta.tool_calls.*.id",
      -- The second is what some gateways make of it, the third the form before
      -- tools.
      name = {
        "choices.0.delta.tool_calls.*.function.name",
        "choices.0.delta.tool_calls.*.name",
        "choices.0.delta.function_call.name",
      },
      arguments = {
        "choices.0.delta.tool_calls.*.function.arguments",
        "choices.0.delta.tool_calls.*.arguments",
        "choices.0.delta.function_call.arguments",
      },
      -- Gemini's thought signatures, at its endpoint for OpenAI's clients.
      extra = "choices.0.delta.tool_calls.*.extra_content",
      extra_key = "extra_content",
    },
  },
  whole = {
    content = {
      "choices.0.message.content",
      "choices.0.message.content.*[type=text].text",
      "choices.0.message.content.*[type=output_text].text",
      "choices.0.message.content.*[!type].text",
      "choices.0.message.content.*",
      "choices.0.message.refusal",
      "choices.0.text",
    },
    reasoning = {
      "choices.0.message.reasoning_content",
      "choices.0.message.reasoning",
      "choices.0.message.reasoning_text",
      "choices.0.message.reasoning_details.*.text",
      "choices.0.message.reasoning_details.*.summary",
      "choices.0.message.content.*[type=thinking].thinking.*.text",
      "choices.0.message.content.*[type=thinking].thinking",
      "choices.0.message.content.*[type=reasoning_text].text",
      "choices.0.message.content.*[type=reasoning].text",
      "choices.0.message.content.*[type=reasoning].content.*.text",
      "choices.0.message.content.*[type=reasoning].summary.*.text",
    },
    image = {
      "choices.0.message.images.*",
      "choices.0.message.content.*.image_url",
      "choices.0.message.content.*[type=image][!image_url]",
    },
    finish_reason = "choices.0.finish_reason",
    input_tokens = "usage.prompt_tokens",
    output_tokens = "usage.completion_tokens",
    cached_tokens = {
      "usage.prompt_tokens_details.cached_tokens",
      "usage.prompt_cache_hit_tokens",
      "usage.cached_tokens",
    },
    reasoning_tokens = "usage.completion_tokens_details.reasoning_tokens",
    carried = {
      annotations = "choices.0.message.annotations",
      reasoning_details = "choices.0.message.reasoning_details",
      system_fingerprint = "system_fingerprint",
    },
    error = { "error", "[object=error].object", "choices.0.error" },
    error_type = { "error.code", "error.type" },
    tool_calls = {
      id = "choices.0.message.tool_calls.*.id",
      name = {
        "choices.0.message.tool_calls.*.function.name",
        "choices.0.message.tool_calls.*.name",
        "choices.0.message.function_call.name",
      },
      arguments = {
        "choices.0.message.tool_calls.*.function.arguments",
        "choices.0.message.tool_calls.*.arguments",
        "choices.0.message.function_call.arguments",
      },
      extra = "choices.0.message.tool_calls.*.extra_content",
      extra_key = "extra_content",
    },
  },
  -- Open models behind this API write their reasoning into the text.
  think_tags = true,
  -- Also the words of those who speak the same: Zhipu, DeepSeek, vLLM, and of
  -- the services that gateways stand before.
  finish_reasons = {
    abort = "error",
    blocklist = "content_filter",
    cancelled = "error",
    complete = "stop",
    ["content-filter"] = "content_filter",
    end_turn = "stop",
    eos = "stop",
    eos_token = "stop",
    error = "error",
    function_call = "tool_calls",
    guardrail_intervened = "content_filter",
    insufficient_system_resource = "error",
    length = "length",
    max_length = "length",
    max_tokens = "length",
    model_length = "length",
    network_error = "error",
    prohibited_content = "content_filter",
    recitation = "content_filter",
    repetition_truncation = "length",
    safety = "content_filter",
    sensitive = "content_filter",
    stop = "stop",
    stop_sequence = "stop",
    timeout = "error",
    tool_use = "tool_calls",
  },
  -- Words of OpenAI, and the numbers that OpenRouter sends in a stream.
  error_codes = {
    rate_limit_exceeded = "upstream_rate_limited",
    rate_limit_error = "upstream_rate_limited",
    insufficient_quota = "upstream_quota_empty",
    invalid_api_key = "upstream_unauthorized",
    authentication_error = "upstream_unauthorized",
    model_not_found = "upstream_model_unknown",
    invalid_request_error = "upstream_rejected",
    context_length_exceeded = "upstream_context_too_long",
    server_error = "upstream_failed",
    [401] = "upstream_unauthorized",
    [408] = "upstream_timeout",
    [429] = "upstream_rate_limited",
    [502] = "upstream_failed",
    [503] = "upstream_overloaded",
  },
}

--- Models whose names say that they read text only. This provider is also
--- used for services that have no preset: of all others the service decides.
local TEXT_ONLY = { "^gpt%-3", "^o1%-mini", "^o3%-mini", "^deepseek%-" }

---@param model string
---@return boolean
function M.images(model)
  for _, pattern in ipairs(TEXT_ONLY) do
    if model:find(pattern) then
      return false
    end
  end
  return true
end

--- Our images in OpenAI's form; all else is in it already.
---@param content any
---@return any
local function content_of(content)
  if type(content) ~= "table" then
    return content
  end
  local parts = json.array({})
  for i, part in ipairs(content) do
    local image = chat_messages.image(part)
    parts[i] = image
        and { type = "image_url", image_url = { url = image.data_url } }
      or part
  end
  return #parts > 0 and parts or content
end

---@param messages tide.Messages|tide.ChatMessage[]
---@return tide.Messages|table[]
local function messages_of(messages)
  if type(messages) == "userdata" then
    if not messages:has_parts() then
      return messages
    end
    messages = messages:tables()
  end
  local list = json.array({})
  for i, message in ipairs(messages) do
    local copy = {}
    for name, value in pairs(message) do
      copy[name] = value
    end
    copy.content = content_of(message.content)
    list[i] = copy
  end
  return list
end

---@param request tide.ProviderRequest
---@param path string
---@param accept string
---@param body? table
---@return tide.ProviderCall
local function call(request, path, accept, body)
  return {
    url = request.base_url .. path,
    headers = {
      ["Authorization"] = request.key and { "Bearer ", request.key },
      ["Content-Type"] = body and "application/json",
      ["Accept"] = accept,
    },
    body = body,
  }
end

--- Models that refuse max_tokens and want the newer name of it.
local NEWER = { "^o%d", "^gpt%-5" }

--- The name under which a model knows what limits the answer.
---@param model string
---@return "max_tokens"|"max_completion_tokens"
local function limit_of(model)
  for _, pattern in ipairs(NEWER) do
    if model:find(pattern) then
      return "max_completion_tokens"
    end
  end
  return "max_tokens"
end

--- A client's request as it came, but for what is ours to decide, and with the
--- options that it leaves open.
---@param request tide.ProviderRequest
---@return tide.Raw
local function passed_on(request)
  local raw = request.raw
  local limit, without = limit_of(request.model), {}
  local options = request.options or {}
  local changes = {
    model = request.model,
    temperature = options.temperature,
    [limit] = request.max_tokens,
    messages = request.messages and messages_of(request.messages),
    stream = true,
    stream_options = { include_usage = true },
  }
  local tools, choice, most =
    raw:members("tools", "tool_choice", "max_tokens")
  if limit ~= "max_tokens" and chat_messages.present(most) then
    changes[limit] = most
    without[1] = "max_tokens"
  end
  if tools == json.null then
    without[#without + 1] = "tools"
  end
  if choice == json.null then
    without[#without + 1] = "tool_choice"
  end
  return raw:with(changes, without)
end

---@param request tide.ProviderRequest
---@return table
local function body_of(request)
  local body = {}
  for name, value in pairs(request.options or {}) do
    body[name] = value
  end
  body.model = request.model
  body.messages = messages_of(request.messages)
  body.stream = true
  body.stream_options = { include_usage = true }
  local limit = limit_of(request.model)
  body[limit] = request.max_tokens or body[limit]
  body.tools = chat_messages.present(request.tools)
  body.tool_choice = chat_messages.present(request.tool_choice)
  return body
end

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.build(request)
  local body = request.raw and passed_on(request) or body_of(request)
  return call(request, "/chat/completions", "text/event-stream", body)
end

M.thinking = thinking.effort

M.builds_raw, M.takes_kept = M.build, M.build

--- A list of models.
---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.models(request)
  return call(request, "/models", "application/json")
end

--- What passes a client's request on as it came, with its model's name.
---@param path string
---@return fun(request: tide.ProviderRequest): tide.ProviderCall
local function passing(path)
  return function(request)
    local body = request.raw:with({ model = request.model })
    return call(request, path, "application/json", body)
  end
end

M.embed = passing("/embeddings")
-- Not OpenAI's own: Jina's form, which vLLM, llama.cpp and gateways have too.
M.rerank = passing("/rerank")
M.moderate = passing("/moderations")

return M
