--- OpenAI's text completions, the API before its chat: a prompt becomes what a
--- user says, and the answer is a text. Pure.
--- Source: https://platform.openai.com/docs/api-reference/completions

local errors = require "lib.errors"
local json = require "tide.json"

local M = {}

--- Fields that say something about the prompt or have no place in a chat.
local PROMPTS = { "prompt", "suffix", "echo", "best_of", "n", "logprobs" }

--- What a chat cannot do: refused instead of left out silently.
---@type table<string, fun(value: any): boolean>
local UNSUPPORTED = {
  suffix = function(suffix)
    return suffix ~= ""
  end,
  echo = function(echo)
    return echo ~= false
  end,
  best_of = function(count)
    return count ~= 1
  end,
  n = function(count)
    return count ~= 1
  end,
  logprobs = function(wanted)
    return wanted ~= false
  end,
}

--- The one text of a prompt.
---@param prompt any a text, or a list as it came
---@return string|nil text nil: there are several, or tokens
local function text_of(prompt)
  if json.is_raw(prompt) and prompt:get("1") == nil then
    prompt = prompt:get("0")
  end
  return type(prompt) == "string" and prompt or nil
end

--- A request as one of chat completions, for completions.ask.
---@param whole tide.Raw the request, checked
---@return table|nil body, tide.Error|nil err unsupported_parameter
function M.chat(whole)
  for name, is_unsupported in pairs(UNSUPPORTED) do
    local value = whole:get(name)
    if value ~= nil and value ~= json.null and is_unsupported(value) then
      return nil, errors.new("unsupported_parameter", { field = name })
    end
  end
  local text = text_of(whole:get("prompt"))
  if not text then
    return nil, errors.new("unsupported_parameter", { field = "prompt" })
  end
  local request = whole:with({
    messages = json.array({ { role = "user", content = text } }),
  }, PROMPTS)
  return {
    model = whole:get("model"),
    request = request,
    messages = request:get("messages"),
  }
end

return M
