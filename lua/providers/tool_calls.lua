--- Tool calls as replies keep them: lines of JSON, each a list of deltas as
--- OpenAI streams them (`index`, then in pieces `id`, `function.name` and
--- `function.arguments`). Pure.
--- Source: https://platform.openai.com/docs/api-reference/chat-streaming

local json = require "tide.json"

local M = {}

---@class ToolCall
---@field id string
---@field type "function"
---@field ["function"] {name: string, arguments: string} arguments are JSON
---@field extra_content? table what the provider wants back with the call

---@param calls table<integer, ToolCall> changed
---@param delta table
local function add(calls, delta)
  local call = calls[delta.index]
  if not call then
    call = { id = "", type = "function" }
    call["function"] = { name = "", arguments = "" }
    calls[delta.index] = call
  end
  local more, whole = delta["function"] or {}, call["function"]
  call.id = delta.id or call.id
  call.extra_content = delta.extra_content or call.extra_content
  whole.name = more.name or whole.name
  whole.arguments = whole.arguments .. (more.arguments or "")
end

--- The whole calls.
---@param lines string of a reply or its row
---@return ToolCall[] calls in the order of their index, marked as an array
function M.join(lines)
  local by_index, calls = {}, json.array({})
  for line in lines:gmatch("[^\n]+") do
    for _, delta in ipairs(json.decode(line) or {}) do
      add(by_index, delta)
    end
  end
  local order = {}
  for index in pairs(by_index) do
    order[#order + 1] = index
  end
  table.sort(order)
  for i, index in ipairs(order) do
    calls[i] = by_index[index]
  end
  return calls
end

--- The calls for a client that sends them back with their results: absent when
--- there are none.
---@param lines string|nil
---@return ToolCall[]|nil calls
function M.carried(lines)
  return lines and lines ~= "" and M.join(lines) or nil
end

--- The calls as a field of an answer that shows them: without what only their
--- provider can read.
---@param lines string|nil
---@return ToolCall[]|nil calls
function M.field(lines)
  local calls = M.carried(lines)
  for _, call in ipairs(calls or {}) do
    call.extra_content = nil
  end
  return calls
end

return M
