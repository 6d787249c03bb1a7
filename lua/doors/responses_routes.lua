--- OpenAI's Responses, for the caller's own models. Responses are stored unless
--- `store` is false; see docs/openai.md.

local body_limits = require "web.body_limits"
local chat = require "chat.chat"
local completions = require "doors.completions"
local errors = require "lib.errors"
local fields = require "web.fields"
local json = require "tide.json"
local llm = require "tide.llm"
local objects = require "web.objects"
local replies = require "chat.replies"
local response_input = require "doors.response_input"
local responses = require "doors.responses"
local stored_responses = require "doors.stored_responses"
local text = require "tide.text"
local time = require "tide.time"

--- What is read of a request.
local CREATE = {
  once = true,
  fields = {
    fields.line("model", 200, { required = true }),
    { name = "input", type = "json" },
    { name = "instructions", type = "string" },
    fields.line("previous_response_id", 100),
    { name = "store", type = "boolean" },
    { name = "stream", type = "boolean" },
    { name = "background", type = "boolean" },
    { name = "max_output_tokens", type = "integer", min = 1 },
    { name = "max_tool_calls", type = "integer", min = 1 },
    { name = "parallel_tool_calls", type = "boolean" },
    { name = "metadata", type = "json" },
    {
      name = "truncation",
      type = "string",
      enum = { "auto", "disabled" },
    },
    {
      name = "tools",
      type = "array",
      raw = true,
      max = 128,
      items = {
        type = "object",
        fields = { { name = "type", type = "string" } },
      },
    },
    { name = "tool_choice", type = "json" },
    { name = "text", type = "json" },
    { name = "reasoning", type = "json" },
    { name = "temperature", type = "json" },
    { name = "top_p", type = "json" },
    { name = "presence_penalty", type = "json" },
    { name = "frequency_penalty", type = "json" },
    { name = "prompt_cache_key", type = "string" },
    { name = "safety_identifier", type = "string" },
    { name = "user", type = "string" },
    -- Refused when they ask for something, see doors/responses:
    { name = "context_management", type = "json" },
    { name = "conversation", type = "json" },
    { name = "include", type = "json" },
    { name = "prompt", type = "json" },
    { name = "top_logprobs", type = "json" },
  },
}

---@type table<string, fun(req: tide.Request)>
local handlers = {}

---@param user_id integer
---@param body table
---@return ConversationOfItems|nil about
---@return any[]|tide.Error items of the request's own input, or the error
local function read_conversation(user_id, body)
  local kind = body.input and body.input:type()
  if kind ~= "string" and kind ~= "array" then
    return nil, errors.new("missing_field", { field = "input" })
  end
  local items = response_input.items(body.input)
  local resolved, lost = stored_responses.resolve(user_id, items)
  if not resolved then
    return nil, lost
  end
  local about = response_input.conversation()
  if body.instructions then
    about.messages[1] = { role = "system", content = body.instructions }
  end
  if body.previous_response_id then
    local ok, err = stored_responses.add_context(
      about,
      user_id,
      body.previous_response_id
    )
    if not ok then
      return nil, err
    end
  end
  local ok, err = response_input.add(about, items)
  if not ok then
    return nil, err
  end
  return about, items
end

---@class BegunResponse
---@field reply tide.Reply
---@field parts ResponseParts

--- Asks the model, as a request wants it.
---@param req tide.Request
---@return BegunResponse|nil begun, tide.Error|nil err
local function begin(req)
  local body, user_id = req.body, req.user.id
  local supported, unsupported = responses.check(body)
  if not supported then
    return nil, unsupported
  end
  local about, items = read_conversation(user_id, body)
  if not about then
    return nil, items
  end
  local asked, tools = responses.chat(body, about)
  if not asked then
    return nil, tools
  end
  local stored = body.store ~= false
  local spec, model = completions.prepare(user_id, asked, {
    req = req,
    language = req.language,
    disconnect = body.background and "detach" or not stored and "cancel" or nil,
    tools = stored,
  })
  if not spec then
    return nil, model
  end
  local id = stored_responses.new_id()
  local head =
    responses.head({ id = id, created = time.unix() }, body, tools)
  local reply, refused
  if stored then
    reply, refused = stored_responses.start(spec, model, about.messages, {
      id = id,
      head = head,
      items = items,
      previous_id = body.previous_response_id,
      language = req.language,
      stream = body.stream or false,
    })
  else
    reply, refused = llm.ask(spec)
  end
  if not reply then
    return nil, refused
  end
  return {
    reply = reply,
    parts = { id = id, head = head },
  }
end

--- A stream of a reply's events.
---@param reply tide.Reply
---@param parts ResponseParts
---@param after? integer number of the last event that the client knows
---@return tide.Response
local function stream(reply, parts, after)
  return {
    stream = reply,
    chunks = {
      form = "responses",
      id = parts.id,
      head = parts.head,
      after = after,
    },
  }
end

--- A response as it is now.
---@param req tide.Request
---@param reply tide.Reply
---@param parts ResponseParts
---@return tide.Response
local function whole(req, reply, parts)
  local failed = reply:state() == "finished" and replies.failure(reply:wait())
  if not failed then
    return { json = reply:response(parts) }
  end
  local told = errors.text(failed.code, req.language)
  return { json = reply:response(parts, told, errors.door_code(failed.code)) }
end

function handlers.create(req)
  local body = req.body
  if body.stream and req:header("Idempotency-Key") then
    return nil, errors.new("idempotency_stream", { field = "stream" })
  end
  local begun, refused = begin(req)
  if not begun then
    return nil, refused
  end
  local reply, parts = begun.reply, begun.parts
  if body.stream then
    local ready, failed = replies.begun(reply)
    return ready and stream(ready, parts), failed
  elseif not body.background then
    local result, failed = replies.whole(reply)
    if not result then
      return nil, failed
    end
  end
  return whole(req, reply, parts)
end

--- The response that a path names, and its reply.
---@param req tide.Request
---@return StoredResponse|nil stored, tide.Reply|tide.Error reply
local function find(req)
  local stored, unknown =
    stored_responses.find(req.user.id, req.args.response_id)
  if not stored then
    return nil, unknown
  end
  local reply, err = stored_responses.reply(req.user.id, stored)
  if not reply then
    return nil, err
  end
  return stored, reply
end

function handlers.get(req)
  local stored, reply = find(req)
  if not stored then
    return nil, reply
  end
  local parts = stored_responses.parts(stored)
  if req.args.stream == "true" then
    return stream(reply, parts, req.args.starting_after)
  end
  return whole(req, reply, parts)
end

function handlers.cancel(req)
  local stored, reply = find(req)
  if not stored then
    return nil, reply
  end
  llm.stop(req.user.id, stored.session_id)
  reply:wait()
  return whole(req, reply, stored_responses.parts(stored))
end

function handlers.delete(req)
  local id = req.args.response_id
  local stored, unknown = stored_responses.find(req.user.id, id)
  if not stored then
    return nil, unknown
  end
  local ok, err = chat.delete_chat_session(req.user.id, id)
  if not ok then
    return nil, err
  end
  return { json = { id = id, object = "response", deleted = true } }
end

--- The items behind the one with an id.
---@param items tide.Raw[]
---@param id string|nil
---@return tide.Raw[]
local function behind(items, id)
  for i, item in ipairs(items) do
    if item:get("id") == id then
      return table.move(items, i + 1, #items, 1, {})
    end
  end
  return items
end

---@param items tide.Raw[]
---@return tide.Raw[]
local function reversed(items)
  local list = {}
  for i = #items, 1, -1 do
    list[#list + 1] = items[i]
  end
  return list
end

function handlers.input_items(req)
  local args = req.args
  local stored, unknown =
    stored_responses.find(req.user.id, args.response_id)
  if not stored then
    return nil, unknown
  end
  local items = stored_responses.input_items(stored)
  if args.order ~= "asc" then
    items = reversed(items)
  end
  items = args.after and behind(items, args.after) or items
  local page =
    json.array(table.move(items, 1, math.min(#items, args.limit), 1, {}))
  return {
    json = {
      object = "list",
      data = page,
      first_id = page[1] and page[1]:get("id") or json.null,
      last_id = page[1] and page[#page]:get("id") or json.null,
      has_more = #items > #page,
    },
  }
end

function handlers.compact()
  return nil,
    errors.new("endpoint_not_supported", { name = "/v1/responses/compact" })
end

function handlers.socket()
  return nil,
    errors.new("endpoint_not_supported", {
      name = "/v1/responses as a WebSocket",
    })
end

local BY_ID = { fields = { fields.name("response_id") } }

--- A response is a session.
---@type tide.RouteOwner
local OWNER = {
  session_id = function(req)
    return req.params.response_id
  end,
  rest = function(response_id, last)
    return ("/v1/responses/%s?stream=true&starting_after=%d"):format(
      text.url_encode(response_id),
      last
    )
  end,
  go_on = function(req, _, response_id, last)
    req.args = {
      response_id = response_id,
      stream = "true",
      starting_after = last,
    }
    return handlers.get(req)
  end,
}

---@type tide.Route[]
return {
  {
    method = "POST",
    path = "/v1/responses",
    auth = "user",
    idempotent = true,
    api_keys = true,
    summary = "OpenAI's responses, for the caller's models",
    request = CREATE,
    body_max = body_limits.CONVERSATION,
    answer = "OpenAI's object, or its events as a stream, see openai.md",
    handler = handlers.create,
  },
  {
    method = "GET",
    path = "/v1/responses",
    auth = "user",
    api_keys = true,
    refused = true,
    summary = "WebSockets of OpenAI's responses: refused",
    answer = "404 endpoint_not_supported",
    handler = handlers.socket,
  },
  {
    method = "POST",
    path = "/v1/responses/compact",
    auth = "user",
    api_keys = true,
    refused = true,
    summary = "Compaction of OpenAI's responses: refused",
    body_max = body_limits.CONVERSATION,
    request = { fields = {} },
    answer = "404 endpoint_not_supported",
    handler = handlers.compact,
  },
  {
    method = "GET",
    path = "/v1/responses/:response_id",
    auth = "user",
    owner = OWNER,
    api_keys = true,
    summary = "A stored response, or its events from one on",
    params = BY_ID,
    query = {
      fields = {
        { name = "stream", type = "string", enum = { "true", "false" } },
        { name = "starting_after", type = "integer", min = 0, max = 1 << 40 },
      },
    },
    answer = "OpenAI's object, or its events as a stream, see openai.md",
    handler = handlers.get,
  },
  {
    method = "POST",
    path = "/v1/responses/:response_id/cancel",
    auth = "user",
    owner = OWNER,
    api_keys = true,
    summary = "Stop a stored response that runs",
    params = BY_ID,
    body_max = body_limits.SHORT,
    request = { fields = {} },
    answer = "OpenAI's object",
    handler = handlers.cancel,
  },
  {
    method = "DELETE",
    path = "/v1/responses/:response_id",
    auth = "user",
    owner = OWNER,
    api_keys = true,
    summary = "Delete a stored response",
    params = BY_ID,
    response = objects.object({
      id = "string",
      object = "string",
      deleted = "boolean",
    }),
    handler = handlers.delete,
  },
  {
    method = "GET",
    path = "/v1/responses/:response_id/input_items",
    auth = "user",
    api_keys = true,
    summary = "The items that a stored response was asked with",
    params = BY_ID,
    query = {
      fields = {
        {
          name = "limit",
          type = "integer",
          default = 20,
          min = 1,
          max = 100,
          clamp = true,
        },
        { name = "order", type = "string", enum = { "asc", "desc" } },
        fields.line("after", 200),
      },
    },
    answer = "a list of OpenAI's items",
    handler = handlers.input_items,
  },
}
