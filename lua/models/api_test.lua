--- Tests an API configuration with a real request, the shortest there is.

local llm = require "tide.llm"
local models = require "models.models"
local time = require "tide.time"
local upstream_request = require "models.upstream_request"

local M = {}

--- ms for the whole test; a slower model counts as failed.
local LIMIT_MS = 30000

---@class ApiTest
---@field ok boolean
---@field status integer the provider's HTTP status, 0 when it did not answer
---@field code? string why not
---@field latency_ms integer until the answer was complete
---@field ttft_ms? integer until its first text

--- Asks for one token and measures the times. The provider's own words are
--- never passed on.
---@param row table of user_apis, the caller's own
---@return ApiTest|nil result, tide.Error|nil err those of models.open
function M.test_api_connection(row)
  local model, refused = models.open(row)
  if not model then
    return nil, refused
  end
  local spec = { user_id = row.user_id }
  upstream_request.fill(spec, model, {
    messages = { { role = "user", content = "Hi" } },
    max_tokens = 1,
    limit = LIMIT_MS,
  })
  spec.retry = { force = true } -- once, even if it is known to be down
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
