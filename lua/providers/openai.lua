--- OpenAI's chat completions, and everything that speaks the same (most do).
--- Source: https://platform.openai.com/docs/api-reference/chat/create
--- `build` makes the request; the answer is read in C at the paths below, so
--- no Lua runs for a token. Upstreams are always asked to stream, also for
--- answers that are not streamed to the client: a reply belongs to the server.

local json = require "tide.json"

local M = {
  name = "openai",
  --- The preset of configurations without an address.
  base_url = "https://api.openai.com/v1",
  framing = "sse",
  done = "[DONE]",
  stream = {
    content = "choices.0.delta.content",
    -- Not OpenAI's own, but what DeepSeek, Qwen and vLLM send.
    reasoning = "choices.0.delta.reasoning_content",
    finish_reason = "choices.0.finish_reason",
    input_tokens = "usage.prompt_tokens",
    output_tokens = "usage.completion_tokens",
    error = "error",
  },
  whole = {
    content = "choices.0.message.content",
    reasoning = "choices.0.message.reasoning_content",
    finish_reason = "choices.0.finish_reason",
    input_tokens = "usage.prompt_tokens",
    output_tokens = "usage.completion_tokens",
    error = "error",
  },
}

---@param request tide.ProviderRequest
---@return {url: string, headers: table, body: string}
function M.build(request)
  local body = {}
  for name, value in pairs(request.options or {}) do
    body[name] = value
  end
  body.model = request.model
  body.messages = json.array(request.messages)
  body.stream = true
  body.stream_options = { include_usage = true }
  body.max_tokens = request.max_tokens
  body.tools = request.tools
  body.tool_choice = request.tool_choice
  return {
    url = request.base_url:gsub("/+$", "") .. "/chat/completions",
    headers = {
      ["Authorization"] = { "Bearer ", request.key },
      ["Content-Type"] = "application/json",
      ["Accept"] = "text/event-stream",
    },
    body = json.encode(body),
  }
end

return M
