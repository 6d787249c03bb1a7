--- A model that calls a function of this server: POST /api/weather answers a
--- question, and the model may look up the weather on its way. The model only
--- says what it wants to call; here it is called, and the model is asked again
--- with what came out, until it has an answer.
---
--- Copy this file into lua/routes/, name it in app.lua and reload.

local errors = require "lib.errors"
local fields = require "web.fields"
local json = require "tide.json"
local llm = require "tide.llm"
local models = require "models.models"
local objects = require "web.objects"
local tool_calls = require "providers.tool_calls"
local upstream_request = require "models.upstream_request"

--- Rounds at most: a model may go on asking for ever.
local ROUNDS_MAX = 5

--- What the model may call, as it is told.
local TOOLS = {
  {
    type = "function",
    ["function"] = {
      name = "get_weather",
      description = "The weather in a city, now",
      parameters = {
        type = "object",
        properties = { city = { type = "string" } },
        required = json.array({ "city" }),
      },
    },
  },
}

--- And what is called then. The arguments are the model's: never trust them.
---@type table<string, fun(arguments: table): any>
local FUNCTIONS = {
  get_weather = function(arguments)
    if type(arguments.city) ~= "string" then
      return { error = "city must be a text" }
    end
    return { city = arguments.city, sky = "clear", celsius = 21 }
  end,
}

---@param call ToolCall
---@return tide.ChatMessage
local function run(call)
  local wanted = call["function"]
  local func = FUNCTIONS[wanted.name]
  local arguments = json.decode(wanted.arguments)
  local result = { error = "there is no such function" }
  if func and type(arguments) == "table" then
    result = func(arguments)
  end
  return {
    role = "tool",
    tool_call_id = call.id,
    content = json.encode(result),
  }
end

---@param user_id integer whose usage it is
---@param model Model
---@param messages tide.ChatMessage[]
---@return tide.Result|nil result, tide.Error|nil err
local function ask(user_id, model, messages)
  ---@type any
  local spec = { user_id = user_id }
  upstream_request.fill(spec, model, { messages = messages, tools = TOOLS })
  local reply, err = llm.ask(spec)
  local result = reply and reply:wait()
  if result and result.status ~= "complete" then
    return nil, result.error or errors.new("upstream_failed")
  end
  return result, err
end

local function answer(req)
  local model, unknown = models.resolve(req.user.id, req.body.model_name)
  if not model then
    return nil, unknown
  end
  local messages = { { role = "user", content = req.body.question } }
  for _ = 1, ROUNDS_MAX do
    local result, err = ask(req.user.id, model, messages)
    if not result then
      return nil, err
    end
    local calls = tool_calls.field(result.tool_calls)
    if not calls then
      return { json = { answer = result.content } }
    end
    messages[#messages + 1] = {
      role = "assistant",
      content = result.content,
      tool_calls = calls,
    }
    for _, call in ipairs(calls) do
      messages[#messages + 1] = run(call)
    end
  end
  return nil, errors.new("upstream_bad_response")
end

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/api/weather",
    auth = "user",
    summary = "Answer a question, with the weather looked up",
    request = {
      fields = {
        fields.model_name(),
        { name = "question", type = "string", required = true, max = 2000 },
      },
    },
    response = objects.object({ answer = "string" }),
    handler = answer,
  },
}
