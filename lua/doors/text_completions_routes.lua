--- The door of OpenAI's text completions, for programs that know no chat; see
--- docs/openai.md. A request becomes one of chat completions and goes on as
--- such.

local body_limits = require "web.body_limits"
local completions = require "doors.completions"
local fields = require "web.fields"
local text_completions = require "doors.text_completions"
local time = require "tide.time"

local CREATE = {
  once = true,
  whole = "request",
  fields = {
    fields.line("model", 200, { required = true }),
    { name = "prompt", type = "json", required = true },
    { name = "stream", type = "boolean" },
    {
      name = "stream_options",
      type = "object",
      fields = { { name = "include_usage", type = "boolean" } },
    },
  },
}

---@param req tide.Request
---@return tide.Response|nil response, tide.Error|nil err
local function create(req)
  local chat, unsupported = text_completions.chat(req.body.request)
  if not chat then
    return nil, unsupported
  end
  return completions.answer(req, chat, {
    completion = {
      form = "text",
      id = "cmpl-" .. req.id,
      created = time.unix(),
      model = req.body.model,
    },
  })
end

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/v1/completions",
    auth = "user",
    api_keys = true,
    summary = "OpenAI's text completions, for the caller's models",
    request = CREATE,
    body_max = body_limits.CONVERSATION,
    answer = "OpenAI's object, or its chunks as a stream, see openai.md",
    handler = create,
  },
}
