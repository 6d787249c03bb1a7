--- Google's Gemini API. The model stands in the path, the key in a header
--- (never in the address, which ends up in logs), an answer is a list of
--- parts: text, thoughts and calls of functions.
--- Source: Gemini API reference, "Generating content"
--- (models.streamGenerateContent, GenerateContentResponse, Candidate), and the
--- guides "Function calling", "Gemini thinking" and "Thought signatures".

local chat_messages = require "providers.chat_messages"
local json = require "tide.json"
local thinking = require "providers.thinking"

-- Streamed answers are a sequence of whole ones.
local PATHS = {
  content = "candidates.0.content.parts.*[!thought].text",
  reasoning = "candidates.0.content.parts.*[thought].text",
  image = {
    "candidates.0.content.parts.*.inlineData",
    "candidates.0.content.parts.*.fileData",
  },
  code = {
    "candidates.0.content.parts.*.executableCode",
    "candidates.0.content.parts.*.codeExecutionResult",
  },
  finish_reason = {
    "candidates.0.finishReason",
    "promptFeedback.blockReason",
  },
  input_tokens = {
    "usageMetadata.promptTokenCount",
    "usageMetadata.toolUsePromptTokenCount",
  },
  output_tokens = {
    "usageMetadata.candidatesTokenCount",
    "usageMetadata.thoughtsTokenCount",
  },
  cached_tokens = "usageMetadata.cachedContentTokenCount",
  reasoning_tokens = "usageMetadata.thoughtsTokenCount",
  error = {
    "error",
    "candidates.0[finishReason=MALFORMED_FUNCTION_CALL].finishReason",
  },
  error_type = "error.status",
  tool_calls = {
    id = "candidates.0.content.parts.*.functionCall.id",
    name = "candidates.0.content.parts.*.functionCall.name",
    arguments = "candidates.0.content.parts.*.functionCall.args",
    -- Newer models want it back with the call; this is the place that the
    -- vendor's own OpenAI endpoint gives it.
    extra = "candidates.0.content.parts.*.thoughtSignature",
    extra_key = "extra_content.google.thought_signature",
  },
}

local M = {
  name = "gemini",
  base_url = "https://generativelanguage.googleapis.com/v1beta",
  framing = "sse",
  images = true,
  stream = PATHS,
  whole = PATHS,
  finish_reasons = {
    STOP = "stop",
    MAX_TOKENS = "length",
    SAFETY = "content_filter",
    RECITATION = "content_filter",
    LANGUAGE = "content_filter",
    BLOCKLIST = "content_filter",
    PROHIBITED_CONTENT = "content_filter",
    SPII = "content_filter",
    IMAGE_SAFETY = "content_filter",
    IMAGE_PROHIBITED_CONTENT = "content_filter",
    IMAGE_RECITATION = "content_filter",
    MODEL_ARMOR = "content_filter",
    IMAGE_OTHER = "error",
    MALFORMED_RESPONSE = "error",
    MISSING_THOUGHT_SIGNATURE = "error",
    NO_IMAGE = "error",
    TOO_MANY_TOOL_CALLS = "error",
    UNEXPECTED_TOOL_CALL = "error",
    OTHER = "content_filter",
  },
  error_codes = {
    INVALID_ARGUMENT = "upstream_rejected",
    FAILED_PRECONDITION = "upstream_rejected",
    UNAUTHENTICATED = "upstream_unauthorized",
    PERMISSION_DENIED = "upstream_unauthorized",
    NOT_FOUND = "upstream_not_found",
    RESOURCE_EXHAUSTED = "upstream_rate_limited",
    INTERNAL = "upstream_failed",
    UNAVAILABLE = "upstream_overloaded",
    DEADLINE_EXCEEDED = "upstream_timeout",
  },
}

--- Models that refuse a call without a signature.
local WANTS_SIGNATURE = "gemini%-[3-9]"

--- Stands for the signature of a call that came from another model; the guide
--- "Thought signatures" names this value.
local NO_SIGNATURE = "skip_thought_signature_validator"

---@param content any
---@return table[]
local function parts_of(content)
  local parts = {}
  for i, part in ipairs(chat_messages.parts(content)) do
    local image = part.image
    if not image then
      parts[i] = { text = part.text }
    elseif image.base64 then
      parts[i] = {
        inlineData = { mimeType = image.media_type, data = image.base64 },
      }
    else
      parts[i] = { fileData = { fileUri = image.url } }
    end
  end
  return parts
end

---@param call table
---@return string|nil
local function signature_of(call)
  local extra = call.extra_content
  local google = type(extra) == "table" and extra.google
  return type(google) == "table" and google.thought_signature or nil
end

---@param message tide.ChatMessage of an assistant
---@param instead string|nil of a signature that is not there
---@return table[]
local function answer_of(message, instead)
  local parts = parts_of(message.content)
  for i, call in ipairs(chat_messages.calls(message)) do
    parts[#parts + 1] = {
      functionCall = {
        name = call["function"].name,
        args = chat_messages.arguments(call),
      },
      thoughtSignature = signature_of(call) or i == 1 and instead or nil,
    }
  end
  return parts
end

--- A tool's result must be an object.
---@param content any
---@return table
local function result_of(content)
  local text = chat_messages.text(content)
  local value = json.decode(text)
  if type(value) == "table" and not json.is_array(value) then
    return value
  end
  return { result = text }
end

---@param messages tide.ChatMessage[]
---@param model string
---@return table[] turns
local function turns_of(messages, model)
  local instead = model:find(WANTS_SIGNATURE) and NO_SIGNATURE or nil
  local turns = json.array({})
  local names = chat_messages.call_names(messages)
  for _, message in ipairs(messages) do
    if message.role == "assistant" then
      chat_messages.append(turns, "model", "parts", answer_of(message, instead))
    elseif message.role == "tool" then
      chat_messages.append(turns, "user", "parts", {
        {
          functionResponse = {
            name = names[message.tool_call_id] or "unknown",
            response = result_of(message.content),
          },
        },
      })
    elseif not chat_messages.is_system(message) then
      chat_messages.append(turns, "user", "parts", parts_of(message.content))
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
      parametersJsonSchema = chat_messages.present(declared.parameters),
    }
  end
  return #list > 0 and json.array({ { functionDeclarations = list } }) or nil
end

local MODES = { auto = "AUTO", none = "NONE", required = "ANY" }

---@param choice string|table|nil
---@return table|nil
local function choice_of(choice)
  choice = chat_messages.present(choice)
  if not choice then
    return nil
  end
  local name = chat_messages.chosen(choice)
  return {
    functionCallingConfig = {
      mode = MODES[choice] or "ANY",
      allowedFunctionNames = name and json.array({ name }),
    },
  }
end

--- Of OpenAI's options those that have the same meaning here.
local OPTIONS = {
  temperature = "temperature",
  top_p = "topP",
  top_k = "topK",
  seed = "seed",
  presence_penalty = "presencePenalty",
  frequency_penalty = "frequencyPenalty",
}

---@param request tide.ProviderRequest
---@return table
local function config_of(request)
  local options = request.options or {}
  local config = {
    maxOutputTokens = chat_messages.max_tokens(request),
    stopSequences = chat_messages.stops(options.stop),
  }
  for theirs, ours in pairs(OPTIONS) do
    config[ours] = chat_messages.present(options[theirs])
  end
  local format = chat_messages.json_format(request)
  -- Only models that think take this, so it is for whoever asks for it.
  local effort = chat_messages.present(options.reasoning_effort)
  if effort and effort ~= "none" then
    config.thinkingConfig = { includeThoughts = true }
  end
  config.responseMimeType = format and "application/json"
  config.responseJsonSchema = format ~= true and format or nil
  return config
end

--- Models that take a budget; later ones take a level.
local WITH_BUDGET = "gemini%-[12]%."

--- What the vendor's own OpenAI endpoint makes of efforts.
local BUDGETS = {
  none = 0,
  minimal = 1024,
  low = 1024,
  medium = 8192,
  high = 24576,
}

---@param wanted ModelThinking
---@param model string
---@return table members
function M.thinking(wanted, model)
  local config = { includeThoughts = thinking.is_on(wanted) }
  if wanted.budget or model:find(WITH_BUDGET) then
    config.thinkingBudget = wanted.budget
      or BUDGETS[wanted.effort]
      or BUDGETS.high
  else
    -- These cannot be told not to think.
    local level = thinking.is_on(wanted) and wanted.effort or "low"
    config.thinkingLevel = BUDGETS[level] and level or "high"
  end
  return { generationConfig = { thinkingConfig = config } }
end

--- A model's name as a part of the path.
---@param model string
---@return string
local function path_of(model)
  local name = model:gsub("^models/", "")
  return (name:gsub("[^%w._~-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

---@param base string
---@return string
local function with_version(base)
  return base:find("/v%d+%a*$") and base or base .. "/v1beta"
end

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.models(request)
  return {
    url = with_version(request.base_url) .. "/models?pageSize=1000",
    headers = {
      ["x-goog-api-key"] = request.key,
      ["Accept"] = "application/json",
    },
  }
end

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.build(request)
  local tools = tools_of(request.tools)
  local system = chat_messages.system(request.messages)
  return {
    url = with_version(request.base_url)
      .. "/models/"
      .. path_of(request.model)
      .. ":streamGenerateContent?alt=sse",
    headers = {
      ["x-goog-api-key"] = request.key,
      ["Content-Type"] = "application/json",
      ["Accept"] = "text/event-stream",
    },
    body = {
      systemInstruction = system
        and { parts = json.array({ { text = system } }) },
      contents = turns_of(request.messages, request.model),
      tools = tools,
      toolConfig = tools and choice_of(request.tool_choice),
      generationConfig = config_of(request),
    },
  }
end

return M
