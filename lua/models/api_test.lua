--- Tests an API configuration with a real request, the shortest there is.

local llm = require "tide.llm"
local models = require "models.models"
local time = require "tide.time"
local upstream_request = require "models.upstream_request"

local M = {}

--- ms for the whole test; a slower model counts as failed.
local LIMIT_MS = 30000

--- Tokens to ask for; models that think refuse so few, so those for a second
--- try.
local FEW, MORE = 1, 64

---@class ApiTest
---@field ok boolean
---@field status integer the provider's HTTP status, 0 when it did not answer
---@field code? string why not
---@field detail? string what the provider said of it
---@field latency_ms integer until the answer was complete
---@field ttft_ms? integer until its first text

--- One request.
---@param row table of user_apis
---@param model Model
---@param tokens integer
---@return tide.Result|nil result, integer|tide.Error first ms until its first
--- text, or what was wrong at once
local function ask(row, model, tokens)
  local spec = { user_id = row.user_id }
  upstream_request.fill(spec, model, {
    messages = { { role = "user", content = "Hi" } },
    max_tokens = tokens,
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
  return reply:wait(), first
end

--- Whether a model may want to be asked for more.
---@param result tide.Result
---@return boolean
local function refuses_few(result)
  local code = result.error and result.error.code
  return result.http_status == 400
    and (
      code == "upstream_rejected"
      or code == "upstream_parameter_unsupported"
    )
end

--- Asks for a token and measures the times. A model that thinks may use it up
--- before it writes: it has answered all the same.
---@param row table of user_apis, the caller's own
---@return ApiTest|nil result, tide.Error|nil err those of models.open
function M.test_api_connection(row)
  local model, refused = models.open(row)
  if not model then
    return nil, refused
  end
  local started = time.mono_ms()
  local result, first = ask(row, model, FEW)
  if result and refuses_few(result) then
    started = time.mono_ms()
    result, first = ask(row, model, MORE)
  end
  if not result then
    return nil, first
  end
  local failure = result.error
  if failure and failure.code == "upstream_length_reached" then
    failure = nil
  end
  return {
    ok = result.status == "complete" or result.error ~= nil and not failure,
    status = result.http_status,
    code = failure and failure.code,
    detail = failure and failure.detail,
    latency_ms = time.mono_ms() - started,
    ttft_ms = result.content ~= "" and first or nil,
  }
end

return M
