--- The Anthropic door: what stock clients of the Messages API need, for the
--- caller's own models; see docs/anthropic.md. A request becomes one in
--- OpenAI's form and goes on as such.

local body_limits = require "web.body_limits"
local completions = require "doors.completions"
local conversation = require "doors.conversation"
local fields = require "web.fields"
local json = require "tide.json"
local messages = require "doors.messages"
local messages_request = require "doors.messages_request"

--- Headers that the vendor reads.
local VENDORS = { "anthropic-version", "anthropic-beta" }

---@return Schema of a list that is passed on
local function list(name, max)
  return {
    name = name,
    type = "array",
    raw = true,
    max = max,
    items = { type = "object" },
  }
end

---@param more Schema[]
---@return Schema of a request
local function request(more)
  local all = {
    fields.line("model", 200, { required = true }),
    {
      name = "messages",
      type = "array",
      required = true,
      raw = true,
      min = 1,
      max = 20000,
      items = {
        type = "object",
        fields = {
          {
            name = "role",
            type = "string",
            required = true,
            enum = { "user", "assistant", "system" },
          },
          { name = "content", type = "parts", required = true },
        },
      },
    },
    { name = "system", type = "parts" },
    list("tools", 1024),
    {
      name = "tool_choice",
      type = "object",
      fields = {
        {
          name = "type",
          type = "string",
          required = true,
          enum = { "auto", "any", "tool", "none" },
        },
        { name = "name", type = "string" },
      },
    },
  }
  table.move(more, 1, #more, #all + 1, all)
  return { once = true, whole = "request", fields = all }
end

local CREATE = request({
  { name = "max_tokens", type = "integer", required = true, min = 1 },
  { name = "stream", type = "boolean" },
  {
    name = "stop_sequences",
    type = "array",
    max = 64,
    items = { type = "string" },
  },
})

local COUNT = request({})

---@type table<string, fun(req: tide.Request)>
local handlers = {}

---@param req tide.Request
---@return table|nil chat the body for completions.ask
---@return tide.Error|nil err
local function read(req)
  local headers = {}
  for _, name in ipairs(VENDORS) do
    headers[name] = req:header(name)
  end
  return messages_request.chat(req.body.request, headers)
end

function handlers.create(req)
  local chat, unread = read(req)
  if not chat then
    return nil, unread
  end
  local id, model = "msg_" .. req.id, req.body.model
  return completions.answer(req, chat, {
    headers = { ["request-id"] = req.id },
    chunks = function()
      local usage =
        messages.usage({ input_tokens = conversation.tokens(chat) })
      return {
        form = "messages",
        id = id,
        model = model,
        head = json.encode(messages.start(id, model, usage)),
      }
    end,
    whole = function(result, reply)
      return messages.message(id, model, result, reply:carried())
    end,
  })
end

function handlers.count(req)
  local chat, unread = read(req)
  if not chat then
    return nil, unread
  end
  local model, unknown = completions.resolve(req.user.id, req.body.model)
  if not model then
    return nil, unknown
  end
  return {
    json = { input_tokens = conversation.tokens(chat) or 0 },
    headers = { ["request-id"] = req.id },
  }
end

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/v1/messages",
    auth = "user",
    api_keys = true,
    summary = "Anthropic's messages, for the caller's models",
    request = CREATE,
    body_max = body_limits.CONVERSATION,
    answer = "Anthropic's object, or its events as a stream, see anthropic.md",
    handler = handlers.create,
  },
  {
    method = "POST",
    path = "/v1/messages/count_tokens",
    auth = "user",
    api_keys = true,
    summary = "About how many tokens a request has, as Anthropic tells it",
    request = COUNT,
    body_max = body_limits.CONVERSATION,
    answer = "`{\"input_tokens\": 12}`, an estimate",
    handler = handlers.count,
  },
}
