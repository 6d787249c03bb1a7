--- Waiting for a reply, stored or not.

local errors = require "lib.errors"

local M = {}

--- ms that a stream's headers are held for the upstream's first byte, so that
--- a failure before it is a plain error with its status.
local FIRST_BYTE_MS = 10000

--- How a finished reply failed. A reply that was stopped has not failed: it has
--- its partial text.
---@param result tide.Result|{status: string, error?: tide.Error}
---@return tide.Error|nil err nil when it did not
function M.failure(result)
  if result.status == "error" then
    return result.error or errors.new("upstream_failed")
  elseif result.status == "interrupted" then
    return result.error or errors.new("shutting_down")
  end
  return nil
end

--- Waits for the whole reply; yields.
---@param reply tide.Reply
---@return tide.Result|nil result, tide.Error|nil err
function M.whole(reply)
  local result = reply:wait()
  local failed = M.failure(result)
  if failed then
    return nil, failed
  end
  return result
end

--- Waits for the end of a reply whose text the core writes; yields.
---@param reply tide.Reply
---@return tide.Reply|nil reply, tide.Error|nil err
function M.ended(reply)
  local status, err = reply:ended()
  local failed = M.failure({ status = status, error = err })
  if failed then
    return nil, failed
  end
  return reply
end

--- Waits for the first byte of a reply, at most ten seconds; yields.
---@param reply tide.Reply
---@return tide.Reply|nil reply, tide.Error|nil err when it failed without a
--- byte
function M.begun(reply)
  if reply:first(FIRST_BYTE_MS) == "finished" and reply:length() == 0 then
    local failed = M.failure(reply:wait())
    if failed then
      return nil, failed
    end
  end
  return reply
end

return M
