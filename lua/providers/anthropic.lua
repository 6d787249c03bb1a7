--- Anthropic's Messages API. The system prompt stands beside the messages,
--- max_tokens is required, turns of user and assistant alternate, and a tool's
--- result is part of a user's turn. Events have types of their own; usage
--- comes in two of them.
--- Source: Claude API reference, "Messages" (create), and the pages
--- "Streaming Messages" and "Stop reasons and fallback".

local chat_messages = require "providers.chat_messages"
local thoughts = require "providers.anthropic_thoughts"
local json = require "tide.json"
local thinking = require "providers.thinking"

local DELTA = "[type=content_block_delta].delta"

local M = {
  name = "anthropic",
  base_url = "https://api.anthropic.com/v1",
  framing = "sse",
  images = true,
  stream = {
    -- Gateways may have it all in the begin of a block.
    content = {
      DELTA .. "[type=text_delta].text",
      "content_block[type=text].text",
    },
    reasoning = {
      DELTA .. "[type=thinking_delta].thinking",
      "content_block[type=thinking].thinking",
    },
    signature = DELTA .. "[type=signature_delta].signature",
    redacted = "content_block[type=redacted_thinking].data",
    -- The service itself sends none; gateways that speak its API do.
    image = "content_block[type=image].source",
    finish_reason = "[type=message_delta].delta.stop_reason",
    -- What was read from a cache or written to it is not in input_tokens.
    input_tokens = {
      "message.usage.input_tokens",
      "message.usage.cache_creation_input_tokens",
      "message.usage.cache_read_input_tokens",
      "usage.input_tokens",
      "usage.cache_creation_input_tokens",
      "usage.cache_read_input_tokens",
    },
    -- Told up to there, not for each event.
    output_tokens = { "message.usage.output_tokens", "usage.output_tokens" },
    carried = { stop_sequence = "[type=message_delta].delta.stop_sequence" },
    cached_tokens = {
      "message.usage.cache_read_input_tokens",
      "usage.cache_read_input_tokens",
    },
    error = "error",
    error_type = "error.type",
    ended = "[type=message_stop].type",
    -- Blocks of other types are tools that the provider runs itself.
    tool_calls = {
      index = "index",
      id = "content_block[type=tool_use].id",
      name = "content_block[type=tool_use].name",
      -- Whole at the begin of a block, or in pieces behind an empty one.
      arguments = {
        DELTA .. "[type=input_json_delta].partial_json",
        "content_block[type=tool_use].input",
      },
    },
  },
  whole = {
    content = "content.*[type=text].text",
    reasoning = "content.*[type=thinking].thinking",
    image = "content.*[type=image].source",
    finish_reason = "stop_reason",
    input_tokens = {
      "usage.input_tokens",
      "usage.cache_creation_input_tokens",
      "usage.cache_read_input_tokens",
    },
    output_tokens = "usage.output_tokens",
    carried = { stop_sequence = "stop_sequence" },
    cached_tokens = "usage.cache_read_input_tokens",
    error = "error",
    error_type = "error.type",
    tool_calls = {
      id = "content.*[type=tool_use].id",
      name = "content.*[type=tool_use].name",
      arguments = "content.*[type=tool_use].input",
    },
  },
  finish_reasons = {
    end_turn = "stop",
    stop_sequence = "stop",
    pause_turn = "stop",
    max_tokens = "length",
    model_context_window_exceeded = "length",
    tool_use = "tool_calls",
    refusal = "content_filter",
  },
  error_codes = {
    invalid_request_error = "upstream_rejected",
    request_too_large = "upstream_too_large",
    authentication_error = "upstream_unauthorized",
    permission_error = "upstream_unauthorized",
    billing_error = "upstream_quota_empty",
    not_found_error = "upstream_not_found",
    rate_limit_error = "upstream_rate_limited",
    timeout_error = "upstream_timeout",
    api_error = "upstream_failed",
    overloaded_error = "upstream_overloaded",
  },
}

local VERSION = "2023-06-01"

--- The API has no default for the longest answer; all models that are served
--- can write this much.
local MAX_TOKENS = 8192

--- Texts and images as blocks. The service refuses texts of blanks only: such a
--- reply is left out, and the turns around it become one.
---@param content any
---@return table[]
local function blocks_of(content)
  local blocks = {}
  for _, part in ipairs(chat_messages.parts(content)) do
    local image = part.image
    if not image then
      if part.text:find("%S") then
        blocks[#blocks + 1] = { type = "text", text = part.text }
      end
    elseif image.base64 then
      blocks[#blocks + 1] = {
        type = "image",
        source = {
          type = "base64",
          media_type = image.media_type,
          data = image.base64,
        },
      }
    else
      blocks[#blocks + 1] = {
        type = "image",
        source = { type = "url", url = image.url },
      }
    end
  end
  return blocks
end

---@param message tide.ChatMessage of an assistant
---@return table[]
local function answer_of(message)
  local blocks = blocks_of(message.content)
  for _, call in ipairs(chat_messages.calls(message)) do
    blocks[#blocks + 1] = {
      type = "tool_use",
      id = call.id,
      name = call["function"].name,
      input = chat_messages.arguments(call),
    }
  end
  return blocks
end

---@param messages tide.ChatMessage[]
---@return table[] turns
local function turns_of(messages)
  local turns = json.array({})
  for _, message in ipairs(messages) do
    if message.role == "assistant" then
      chat_messages.append(turns, "assistant", "content", answer_of(message))
    elseif message.role == "tool" then
      chat_messages.append(turns, "user", "content", {
        {
          type = "tool_result",
          tool_use_id = message.tool_call_id,
          content = json.array(blocks_of(message.content)),
        },
      })
    elseif not chat_messages.is_system(message) then
      chat_messages.append(turns, "user", "content", blocks_of(message.content))
    end
  end
  return turns
end

---@param tools table[]|nil
---@return table[]|nil
local function tools_of(tools)
  local list = json.array({})
  for _, tool in ipairs(chat_messages.functions(tools)) do
    local declared = tool["function"]
    list[#list + 1] = {
      name = declared.name,
      description = chat_messages.present(declared.description),
      input_schema = chat_messages.present(declared.parameters)
        or { type = "object" },
    }
  end
  return #list > 0 and list or nil
end

local CHOICES = { auto = "auto", none = "none", required = "any" }

---@param request tide.ProviderRequest
---@return table|nil
local function choice_of(request)
  local choice = chat_messages.present(request.tool_choice)
  local one_by_one = (request.options or {}).parallel_tool_calls == false
  local wanted
  local name = chat_messages.chosen(choice)
  if name then
    wanted = { type = "tool", name = name }
  elseif choice or one_by_one then
    wanted = { type = CHOICES[choice or "auto"] or "auto" }
  end
  if wanted and one_by_one and wanted.type ~= "none" then
    wanted.disable_parallel_tool_use = true
  end
  return wanted
end

--- Whether a request wants a model to think in any case. A model that decides
--- itself goes on without its last thoughts.
---@param wanted any
---@return boolean
local function is_enabled(wanted)
  return json.is_raw(wanted) and wanted:get("type") == "enabled"
end

--- A request in our own form as it came, but for what is ours to decide. If
--- hooks have changed the messages, these are in OpenAI's form.
---@param request tide.ProviderRequest
---@return tide.Raw
local function passed_on(request)
  local options = request.options or {}
  local changes = {
    model = request.model,
    stream = true,
    temperature = options.temperature,
  }
  if request.messages then
    changes.messages = turns_of(request.messages)
    changes.system = chat_messages.system(request.messages)
    return request.raw:with(changes, { "system" })
  end
  local without = {}
  local messages, wanted = request.raw:members("messages", "thinking")
  local signed = thoughts.sign(messages)
  changes.messages = signed and signed.messages
  if signed and signed.interrupted and is_enabled(wanted) then
    without[1] = "thinking"
  end
  return request.raw:with(changes, without)
end

---@param request tide.ProviderRequest
---@return table
local function body_of(request)
  local options = request.options or {}
  local tools = tools_of(request.tools)
  return {
    model = request.model,
    stream = true,
    max_tokens = chat_messages.max_tokens(request) or MAX_TOKENS,
    system = chat_messages.system(request.messages),
    messages = turns_of(request.messages),
    tools = tools,
    tool_choice = tools and choice_of(request),
    temperature = chat_messages.present(options.temperature),
    top_p = chat_messages.present(options.top_p),
    top_k = chat_messages.present(options.top_k),
    stop_sequences = chat_messages.stops(options.stop),
  }
end

--- Tokens beside a budget of thought, which is a part of max_tokens.
local ANSWER_TOKENS = 4096

M.thinking_alone = true

--- A budget for models that take one, an effort for those that decide
--- themselves. A client's own max_tokens may leave no room for the budget.
---@param wanted ModelThinking
---@param _ string
---@param body table|tide.Raw
---@return table members
function M.thinking(wanted, _, body)
  if not thinking.is_on(wanted) then
    return { thinking = { type = "disabled" } }
  end
  local budget = wanted.budget
  if budget and json.is_raw(body) then
    local most = body:members("max_tokens")
    local fits = math.type(most) == "integer" and most > budget
    return fits
        and { thinking = { type = "enabled", budget_tokens = budget } }
      or {}
  elseif budget then
    return {
      thinking = { type = "enabled", budget_tokens = budget },
      max_tokens = math.max(body.max_tokens, budget + ANSWER_TOKENS),
    }
  end
  return {
    thinking = { type = "adaptive" },
    output_config = { effort = thinking.effort_of(wanted) },
  }
end

--- The address without a version is as common: the vendor's own clients take
--- it so.
---@param base string
---@return string
local function with_version(base)
  return base:find("/v%d+$") and base or base .. "/v1"
end

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.models(request)
  return {
    url = with_version(request.base_url) .. "/models?limit=1000",
    headers = {
      ["x-api-key"] = request.key,
      ["anthropic-version"] = VERSION,
      ["Accept"] = "application/json",
    },
  }
end

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.build(request)
  local told = request.raw_headers or {}
  return {
    url = with_version(request.base_url) .. "/messages",
    headers = {
      ["x-api-key"] = request.key,
      ["anthropic-version"] = told["anthropic-version"] or VERSION,
      ["anthropic-beta"] = told["anthropic-beta"],
      ["Content-Type"] = "application/json",
      ["Accept"] = "text/event-stream",
    },
    body = request.raw and passed_on(request) or body_of(request),
  }
end

M.builds_raw, M.raw_form = M.build, "messages"

return M
