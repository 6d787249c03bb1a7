--- A reply within which the model calls tools: it is asked, the tools of this
--- server that it calls run, it gets their results, until it answers without a
--- call. All of it is one reply; chat/tool_steps.lua has its steps. A call is
--- stored as begun before it runs.

local config = require "tide.config"
local errors = require "lib.errors"
local hooks = require "hooks"
local json = require "tide.json"
local log = require "tide.log"
local server_tools = require "tools"
local steps = require "chat.tool_steps"
local task = require "tide.task"
local text = require "tide.text"
local time_limit = require "lib.time_limit"
local tool_calls = require "providers.tool_calls"
local tools = require "chat.tools"
local upstream_request = require "models.upstream_request"

local M = {}

--- Bytes of a result that the model gets.
local RESULT_MAX = 64 * 1024
local CUT = "\n[The result was cut here.]"

--- What the model is told of calls without a result of their tool.
local FAILED = "The tool failed."
local TIMED_OUT = "The tool took too long."
local DENIED = "The user did not allow this call."
local UNKNOWN = "The server stopped while this call ran. Whether it took "
  .. "effect is not known."
local BAD_ARGUMENTS = "The arguments are not a JSON object."

--- Whether this server has tools.
---@return boolean
function M.is_needed()
  return tools.has_any(server_tools)
end

---@class ToolReply
---@field model Model
---@field source ReplySource messages are tables here, and reasoning is there
---@field turn? tide.Turn nil: nobody looks, and no tool is there
---@field tools? ToolSet default: this server's
---@field set? ToolSet what may be called in this turn, from M.run on
---@field unseen? boolean hooks do not see the calls
---@field blocks? ReplyBlock[] of a reply that goes on
---@field decisions? table<string, boolean> which calls its user allows, by id

---@param call ToolCallState
---@param content string
---@param is_error boolean
---@return string line
local function result_line(call, content, is_error)
  if #content > RESULT_MAX then
    content = text.truncate(content, RESULT_MAX - #CUT) .. CUT
  end
  call.result = { content = content, is_error = is_error or nil }
  return steps.line("tool_result", {
    id = call.id,
    name = call.name,
    content = content,
    is_error = is_error or nil,
  })
end

--- What a tool returned, as a text for the model.
---@param value any
---@param err tide.Error|string|nil
---@return string content, boolean is_error
local function content_of(value, err)
  if value == nil and err ~= nil then
    if type(err) == "table" then
      return errors.text(err.code, "en"), true
    end
    return tostring(err), true
  elseif type(value) == "string" then
    return value, false
  end
  return json.encode(value == nil and json.null or value), false
end

--- Runs a tool with its time limit.
---@async
---@param tool tide.Tool
---@param call ToolCallState
---@param reply ToolReply
---@return string content, boolean is_error
local function run(tool, call, reply)
  local turn = reply.turn
  if hooks.on_tool and not reply.unseen then
    local value, refused = hooks.on_tool(turn, call)
    if value ~= nil or refused then
      return content_of(value, refused)
    end
  end
  local limit = tools.timeout_of(tool)
  local how, value, err =
    time_limit.call(limit, tool.run, call.arguments, turn)
  if how == "failed" then
    log.error("tool failed", { tool = call.name, error = tostring(value) })
    return FAILED, true
  elseif how == "cancelled" then
    log.warn("tool took too long", { tool = call.name, limit_ms = limit })
    return TIMED_OUT, true
  end
  local told, content, is_error = pcall(content_of, value, err)
  if not told then
    log.error("tool failed", { tool = call.name, error = tostring(content) })
    return FAILED, true
  end
  return content, is_error
end

--- Whether a call needs its user's consent.
---@param tool tide.Tool
---@param call ToolCallState
---@param turn tide.Turn
---@return boolean
local function needs_approval(tool, call, turn)
  if type(tool.approve) == "function" then
    return tool.approve(call.arguments, turn) == true
  end
  return tool.approve == "ask"
end

---@param call ToolCallState
---@return table
local function shown(call)
  return { id = call.id, name = call.name, arguments = call.arguments }
end

--- Decides about a call that has not begun: it waits, or it may run.
---@param out tide.Output
---@param call ToolCallState
---@param reply ToolReply
---@return "waits"|"runs"|"ended"
local function decide(out, call, reply)
  local tool = reply.set.tools[call.name]
  local decision = reply.decisions and reply.decisions[call.id]
  if call.result then
    return "ended"
  elseif not tool or type(call.arguments) ~= "table" then
    out:step(steps.line("tool_call", shown(call)))
    out:step(result_line(call, tool and BAD_ARGUMENTS or FAILED, true))
    return "ended"
  elseif call.begun and not tool.idempotent then
    out:step(result_line(call, UNKNOWN, true))
    return "ended"
  elseif decision == false then
    out:step(result_line(call, DENIED, true))
    return "ended"
  elseif not call.begun and decision == nil then
    if call.approval then
      return "waits"
    elseif needs_approval(tool, call, reply.turn) then
      call.approval = true
      out:step(steps.line("approval", shown(call)))
      return "waits"
    end
  end
  call.begun = true
  out:step(steps.line("tool_call", shown(call)))
  return "runs"
end

--- Runs a part's calls at the same time.
---@async
---@param out tide.Output
---@param block ReplyBlock changed: its calls get results
---@param reply ToolReply
---@return boolean waiting some of them need their user's consent
local function run_calls(out, block, reply)
  local runs, waiting = {}, false
  for _, call in ipairs(block.calls) do
    local decision = decide(out, call, reply)
    waiting = waiting or decision == "waits"
    if decision == "runs" then
      runs[#runs + 1] = function()
        local content, is_error =
          run(reply.set.tools[call.name], call, reply)
        out:step(result_line(call, content, is_error))
        return true
      end
    end
  end
  out:store()
  if #runs > 0 then
    task.all(runs)
  end
  return waiting
end

--- The calls of a part; nil when it has none, or some that are the client's.
---@param part tide.Part
---@param set ToolSet
---@return ReplyBlock|nil
local function block_of(part, set)
  local joined = part.tool_calls ~= "" and tool_calls.join(part.tool_calls)
    or {}
  if #joined == 0 then
    return nil
  end
  local block = {
    reasoning = part.reasoning,
    text = part.content,
    calls = {},
    by_id = {},
  }
  for i, call in ipairs(joined) do
    local func = call["function"]
    if not set.tools[func.name] then
      return nil
    end
    local arguments = json.decode(
      func.arguments == "" and "{}" or func.arguments
    )
    local id = call.id ~= "" and call.id or ("call_%d"):format(i)
    while block.by_id[id] do
      id = id .. "_" .. i
    end
    block.calls[i] = {
      id = id,
      name = func.name,
      arguments = arguments == nil and func.arguments or arguments,
      begun = false,
      approval = false,
    }
    block.by_id[id] = block.calls[i]
  end
  return block
end

--- The request for the next part. Who must call a tool has done so.
---@param reply ToolReply
---@param first boolean
---@return table spec
local function request(reply, first)
  local source, spec = reply.source, {}
  local all = json.array({})
  for _, tool in ipairs(source.tools or {}) do
    all[#all + 1] = tool
  end
  for _, tool in ipairs(reply.set.definitions) do
    all[#all + 1] = tool
  end
  local asked = setmetatable(
    { tools = #all > 0 and all or nil }, -- some upstreams refuse an empty list
    { __index = source }
  )
  if not first and asked.tool_choice ~= "none" then
    asked.tool_choice = "auto"
  end
  upstream_request.fill(spec, reply.model, asked)
  return spec
end

--- Asks, runs, and asks again; returns how the reply ends.
---@async
---@param out tide.Output
---@param reply ToolReply
---@return table outcome what out:finish takes; a tide.Part when it is an answer
function M.run(out, reply)
  local messages, reasoning = reply.source.messages, reply.source.reasoning
  reply.set = tools.of_turn(reply.tools or server_tools, reply.turn)
  local rounds_max = config.get("tools.rounds")
  local blocks = reply.blocks or {}
  local block = blocks[#blocks]
  for i = 1, #blocks - 1 do
    steps.add_messages(messages, reasoning, blocks[i])
  end
  for round = 0, rounds_max do
    if block then
      if run_calls(out, block, reply) then
        return { status = "waiting", finish_reason = "waiting" }
      end
      steps.add_messages(messages, reasoning, block)
    end
    local part, err = out:ask(request(reply, round == 0 and not block))
    if not part then
      return { status = "error", error = err }
    end
    block = part.status == "complete" and block_of(part, reply.set) or nil
    if not block then
      if part.tool_calls ~= "" then
        out:tool_calls(part.tool_calls)
      end
      return part
    end
  end
  return { status = "error", error = { code = "too_many_tool_rounds" } }
end

--- What produces such a reply.
---@param reply ToolReply
---@return fun(out: tide.Output)
function M.producer(reply)
  return function(out)
    local outcome = M.run(out, reply)
    local failed = outcome.error
    if failed and not failed.status then
      failed.status = errors.all[failed.code].status
    end
    out:finish(outcome)
  end
end

return M
