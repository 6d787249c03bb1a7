--- The steps of a reply, as its log and its row keep them: lines of JSON, each
--- an object with one member. Pure.
---
---   {"tool_call":{"id","name","arguments"}}      it is about to run
---   {"approval":{"id","name","arguments"}}       its user must allow it first
---   {"tool_result":{"id","name","content","is_error"}}
---
--- The same objects are the frames of a stream and the items of a message.

local json = require "tide.json"

local M = {}

---@class ToolStep
---@field tool_call? {id: string, name: string, arguments: any}
---@field approval? {id: string, name: string, arguments: any}
---@field tool_result? ToolResult

---@class ToolResult
---@field id string
---@field name string
---@field content string
---@field is_error? boolean

---@param kind "tool_call"|"approval"|"tool_result"
---@param value table
---@return string line
function M.line(kind, value)
  return json.encode({ [kind] = value }) .. "\n"
end

---@param lines string|nil
---@return ToolStep[]|nil steps marked as an array; nil when there are none
function M.field(lines)
  if not lines or lines == "" then
    return nil
  end
  local steps = json.array({})
  for line in lines:gmatch("[^\n]+") do
    steps[#steps + 1] = json.decode(line)
  end
  return steps
end

---@class ToolCallState
---@field id string
---@field name string
---@field arguments any
---@field begun boolean it may have run
---@field approval boolean its user was asked
---@field result? {content: string, is_error?: boolean}

---@class ReplyBlock a part of a reply, and the calls that followed it
---@field reasoning string
---@field text string
---@field calls ToolCallState[]
---@field by_id table<string, ToolCallState>

---@return ReplyBlock
local function new_block()
  return { reasoning = "", text = "", calls = {}, by_id = {} }
end

---@param block ReplyBlock changed
---@param step ToolStep
local function add_step(block, step)
  local told = step.tool_call or step.approval or step.tool_result
  local call = block.by_id[told.id]
  if not call then
    call = { id = told.id, name = told.name, begun = false, approval = false }
    block.by_id[told.id] = call
    block.calls[#block.calls + 1] = call
  end
  if step.tool_result then
    call.result = { content = told.content, is_error = told.is_error }
    return
  end
  call.arguments = told.arguments
  call.begun = call.begun or step.tool_call ~= nil
  call.approval = call.approval or step.approval ~= nil
end

--- Whether a step begins another part's calls: a call that the block does not
--- have, after one that has its result.
---@param block ReplyBlock
---@param step ToolStep
---@return boolean
local function begins_block(block, step)
  local told = step.tool_call or step.approval
  if not told or block.by_id[told.id] then
    return false
  end
  for _, call in ipairs(block.calls) do
    if call.result then
      return true
    end
  end
  return false
end

---@class StoredParts what a row has of a reply
---@field reasoning string
---@field content string
---@field steps string
---@field runs string

--- Walks a reply's runs ("r3c120s40", see core/reply/reply_stored.h); "" is the
--- usual order: reasoning, text, steps.
---@param reply StoredParts
---@return fun(): string|nil, string|nil kind ("r", "c" or "s") and bytes
local function each_run(reply)
  local at = { r = 1, c = 1, s = 1 }
  local texts = { r = reply.reasoning, c = reply.content, s = reply.steps }
  local runs = {}
  for kind, length in reply.runs:gmatch("(%a)(%d+)") do
    runs[#runs + 1] = { kind, math.tointeger(tonumber(length)) }
  end
  runs[#runs + 1] = { "r", #reply.reasoning }
  runs[#runs + 1] = { "c", #reply.content }
  runs[#runs + 1] = { "s", #reply.steps }
  local i = 0
  return function()
    while i < #runs do
      i = i + 1
      local kind, length = runs[i][1], runs[i][2]
      if texts[kind] then
        local bytes = texts[kind]:sub(at[kind], at[kind] + length - 1)
        at[kind] = at[kind] + length
        if bytes ~= "" then
          return kind, bytes
        end
      end
    end
    return nil
  end
end

--- A reply as its parts, each with the calls that followed it.
---@param reply StoredParts
---@return ReplyBlock[] blocks at least one
function M.blocks(reply)
  local blocks = { new_block() }
  for kind, bytes in each_run(reply) do
    local block = blocks[#blocks]
    if kind ~= "s" then
      if #block.calls > 0 then
        block = new_block()
        blocks[#blocks + 1] = block
      end
      local member = kind == "c" and "text" or "reasoning"
      block[member] = block[member] .. bytes
    else
      for line in bytes:gmatch("[^\n]+") do
        local step = json.decode(line)
        if begins_block(blocks[#blocks], step) then
          blocks[#blocks + 1] = new_block()
        end
        add_step(blocks[#blocks], step)
      end
    end
  end
  local last = blocks[#blocks]
  if #blocks > 1 and last.text == "" and #last.calls == 0 then
    blocks[#blocks] = nil -- it thought, and was cut off before it said anything
  end
  return blocks
end

--- The calls that wait for the user.
---@param reply StoredParts
---@return ToolCallState[]
function M.waiting(reply)
  local blocks, waiting = M.blocks(reply), {}
  for _, call in ipairs(blocks[#blocks].calls) do
    if call.approval and not call.begun and not call.result then
      waiting[#waiting + 1] = call
    end
  end
  return waiting
end

--- Whether calls, and no text, are the last that a reply has.
---@param reply StoredParts
---@return boolean
function M.ends_in_calls(reply)
  local blocks = M.blocks(reply)
  return #blocks[#blocks].calls > 0
end

--- The result of a call that has none: what the model is told of it.
local NO_RESULT = "This call was not made."

--- A part and its calls as messages in OpenAI's form.
---@param into tide.ChatMessage[] changed
---@param reasoning CallReasoning changed: that of the part, if it has calls
---@param block ReplyBlock
function M.add_messages(into, reasoning, block)
  if #block.calls == 0 then
    if block.text ~= "" then
      into[#into + 1] = { role = "assistant", content = block.text }
    end
    return
  end
  local calls = json.array({})
  for i, call in ipairs(block.calls) do
    calls[i] = {
      id = call.id,
      type = "function",
      ["function"] = {
        name = call.name,
        arguments = json.encode(call.arguments),
      },
    }
  end
  if block.reasoning ~= "" then
    reasoning[block.calls[1].id] = block.reasoning
  end
  into[#into + 1] =
    { role = "assistant", content = block.text, tool_calls = calls }
  for _, call in ipairs(block.calls) do
    into[#into + 1] = {
      role = "tool",
      tool_call_id = call.id,
      content = call.result and call.result.content or NO_RESULT,
    }
  end
end

--- A whole reply as messages.
---@param into tide.ChatMessage[] changed
---@param reasoning CallReasoning changed
---@param reply StoredParts
function M.add_reply(into, reasoning, reply)
  for _, block in ipairs(M.blocks(reply)) do
    M.add_messages(into, reasoning, block)
  end
end

return M
