--- Calls functions that may wait, with a time limit.

local task = require "tide.task"
local time = require "tide.time"

local M = {}

--- Runs a function beside this task and waits for it, or for the limit.
---@async
---@param limit integer ms
---@param fn fun(...: any): any, any
---@param ... any its arguments
---@return "returned"|"failed"|"cancelled" how "cancelled": it took too long
---@return any value what it returned or raised
---@return any err
function M.call(limit, fn, ...)
  local child, busy = task.spawn(fn, ...)
  if not child then
    return "returned", nil, busy
  end
  local watch = task.spawn(function()
    time.sleep(limit)
    child:cancel()
  end)
  local ran, value, err = pcall(child.join, child)
  if watch then
    watch:cancel()
  end
  if not ran then
    return "failed", value
  elseif child:state() == "cancelled" then
    return "cancelled"
  end
  return "returned", value, err
end

return M
