--- Anthropic's objects, out. Pure. How a reply looks to a client of the
--- Messages API; the events of a stream are written by the core, which gets
--- their message from here.
--- Source: Claude API reference, "Messages" (create), "Models" (list)

local errors = require "lib.errors"
local json = require "tide.json"
local tool_calls = require "providers.tool_calls"

local M = {}

--- Members that clients may read without asking whether they are there.
local NULL = json.null

---@param usage {input_tokens?: integer, output_tokens?: integer}|tide.Usage|nil
---@return table usage as Anthropic has it; the last two fields are ours
function M.usage(usage)
  local cached = usage and usage.cached_tokens or 0
  return {
    input_tokens = math.max((usage and usage.input_tokens or 0) - cached, 0),
    output_tokens = usage and usage.output_tokens or 0,
    -- What was written to a cache is among input_tokens here.
    cache_creation_input_tokens = 0,
    cache_read_input_tokens = cached,
    cache_creation = NULL,
    inference_geo = NULL,
    output_tokens_details = NULL,
    server_tool_use = NULL,
    service_tier = NULL,
    estimated = usage and usage.estimated,
    possibly_charged_twice = usage and usage.possibly_charged_twice,
  }
end

--- A message that has no content yet.
---@param id string
---@param model string
---@param usage table
---@return table
function M.start(id, model, usage)
  return {
    id = id,
    type = "message",
    role = "assistant",
    model = model,
    content = json.array({}),
    stop_reason = NULL,
    stop_sequence = NULL,
    stop_details = NULL,
    container = NULL,
    usage = usage,
  }
end

--- The same words as in core/chat/frames_messages.c.
---@param reason string|nil OpenAI's
---@param called boolean the reply has tool calls
---@param sequence string|nil that has stopped it
---@return string
local function stop_reason(reason, called, sequence)
  if reason == "length" then
    return "max_tokens"
  elseif reason == "content_filter" then
    return "refusal"
  end
  if called then
    return "tool_use"
  end
  return sequence and "stop_sequence" or "end_turn"
end

--- A reply's thoughts. It has all of them as one text: of several signatures
--- none fits.
---@param result tide.Result
---@return table[] blocks
local function thoughts_of(result)
  local blocks, signature = json.array({}), nil
  local notes = result.notes and json.decode(result.notes) or {}
  for _, note in ipairs(notes) do
    if note.redacted then
      blocks[#blocks + 1] = { type = "redacted_thinking", data = note.redacted }
    else
      signature = signature and "" or note.signature
    end
  end
  if result.reasoning ~= "" or (signature and signature ~= "") then
    blocks[#blocks + 1] = {
      type = "thinking",
      thinking = result.reasoning,
      signature = signature or "",
    }
  end
  return blocks
end

--- A call's arguments, which must be an object here.
---@param call ToolCall
---@return tide.Raw|table|nil
local function input_of(call)
  local arguments = call["function"].arguments
  if arguments == "" then
    return {}
  end
  local raw = json.raw(arguments)
  return raw and raw:type() == "object" and raw or nil
end

--- The answer to a request that does not stream.
---@param id string
---@param model string
---@param result tide.Result
---@param carried string|nil of Reply:carried
---@return table|nil message
---@return tide.Error|nil err upstream_bad_response: the arguments of a call are
--- no object
function M.message(id, model, result, carried)
  local message = M.start(id, model, M.usage(result.usage))
  local content, calls =
    thoughts_of(result), tool_calls.join(result.tool_calls)
  message.content = content
  if result.content ~= "" then
    content[#content + 1] =
      { type = "text", text = result.content, citations = json.array({}) }
  end
  for _, call in ipairs(calls) do
    local input = input_of(call)
    if not input then
      return nil, errors.new("upstream_bad_response")
    end
    content[#content + 1] = {
      type = "tool_use",
      id = call.id,
      name = call["function"].name,
      input = input,
      caller = { type = "direct" },
    }
  end
  local sequence = carried
    and json.raw(carried):get("stop_sequence")
  message.stop_sequence = sequence or NULL
  message.stop_reason =
    stop_reason(result.finish_reason, #calls > 0, sequence)
  return message
end

---@param row table of models/models
---@return table model as Anthropic has it
function M.model(row)
  return {
    id = row.model_name,
    type = "model",
    display_name = row.model_name,
    created_at = "1970-01-01T00:00:00Z", -- nobody knows when
    lifecycle = "active",
  }
end

---@param rows table[] of models/models
---@return table list as Anthropic has it, all on one page
function M.models(rows)
  local data = json.array({})
  for i, row in ipairs(rows) do
    data[i] = M.model(row)
  end
  return {
    data = data,
    first_id = data[1] and data[1].id or NULL,
    last_id = data[1] and data[#data].id or NULL,
    has_more = false,
  }
end

return M
