--- Whether an API configuration works: the shortest question, asked for real.

local llm = require "tide.llm"
local models = require "models.models"
local sources = require "models.upstream_request"
local time = require "tide.time"

local M = {}

--- ms for the whole test; a model that is slower than this is of no use.
local LIMIT_MS = 30000

---@class ConnectionTest
---@field ok boolean
---@field status integer the provider's HTTP status, 0 when it did not answer
---@field code? string why not
---@field latency_ms integer until the answer was complete
---@field ttft_ms? integer until its first text

--- Asks for one token and measures. What the provider says is never passed on.
---@param row table of user_apis, the caller's own
---@return ConnectionTest|nil result, tide.Error|nil err those of models.open
function M.test_api_connection(row)
  local model, refused = models.open(row)
  if not model then
    return nil, refused
  end
  local spec = { user_id = row.user_id }
  sources.set(spec, model, {
    messages = { { role = "user", content = "Hi" } },
    max_tokens = 1,
    limit = LIMIT_MS,
  })
  spec.retry = { force = true } -- it is asked to find out, and once
  local started = time.mono_ms()
  local reply, err = llm.ask(spec)
  if not reply then
    return nil, err
  end
  reply:first(LIMIT_MS)
  local first = time.mono_ms() - started
  local result = reply:wait()
  return {
    ok = result.status == "complete",
    status = result.http_status,
    code = result.error and result.error.code,
    latency_ms = time.mono_ms() - started,
    ttft_ms = result.content ~= "" and first or nil,
  }
end

return M
