--- Requests that are sent again under the same Idempotency-Key are answered
--- once: the second one gets the first one's answer. Semantics of the IETF
--- draft "The Idempotency-Key HTTP Header Field": the same key with another
--- request is 422, one whose first request still runs is 409. Keys belong to
--- one user and are valid for 24 hours.
---
--- Running requests are known in memory only, so that a crash releases every
--- key; answers are in the database. Only answers are stored: an error leaves
--- the key free, because otherwise a retry could never help.

local crypto = require "tide.crypto"
local db = require "tide.db"
local errors = require "lib.errors"
local log = require "tide.log"
local shared = require "tide.shared"
local time = require "tide.time"

local M = {}

M.HEADER = "Idempotency-Key"

local LIFETIME_S = 24 * 60 * 60
--- ms after which a request that ended without letting go (its task was
--- stopped from outside) is forgotten; longer than any request takes.
local RUNS_MS = 35 * 60 * 1000

local CONTENT_TYPE = "application/json; charset=utf-8"

local running = shared.dict("idempotency")

---@class Attempt
---@field user_id integer
---@field key string
---@field fingerprint string of the request

--- The answer that was stored, or the error of a key that stands for another
--- request.
---@param attempt Attempt
---@return tide.Response|nil response nil and no error: nothing is stored
---@return tide.Error|nil err idempotency_key_reused
local function recall(attempt)
  local row, err = db.one(
    "SELECT fingerprint, answer FROM idempotency_keys "
      .. "WHERE user_id = ? AND key = ? AND answered_at > ?",
    { attempt.user_id, attempt.key, time.unix() - LIFETIME_S }
  )
  if not row then
    return nil, err
  elseif row.fingerprint ~= attempt.fingerprint then
    return nil, errors.new("idempotency_key_reused")
  end
  return {
    body = row.answer,
    content_type = CONTENT_TYPE,
    headers = { ["Idempotent-Replayed"] = "true" },
  }
end

--- Stores an answer and deletes those that are too old.
---@param attempt Attempt
---@param text string
---@return true|nil ok, tide.Error|nil err
local function store(attempt, text)
  local now = time.unix()
  local outcomes, err = db.write({
    {
      "DELETE FROM idempotency_keys WHERE answered_at <= ?",
      { now - LIFETIME_S },
    },
    {
      "INSERT INTO idempotency_keys "
        .. "(user_id, key, fingerprint, answer, answered_at) "
        .. "VALUES (?, ?, ?, ?, ?)",
      { attempt.user_id, attempt.key, attempt.fingerprint, text, now },
    },
  })
  return outcomes and true, err
end

--- Answers, and stores what was answered.
---@param attempt Attempt
---@param req tide.Request
---@param handler fun(req: tide.Request): tide.Response|nil, tide.Error|nil
---@return tide.Response|nil response, tide.Error|nil err
local function answer(attempt, req, handler)
  local response, err = recall(attempt)
  if response or err then
    return response, err
  end
  response, err = handler(req)
  if not response then
    return nil, err
  end
  local text = req:encode(response.json)
  -- What was done is done: an error would make the client do it again.
  local _, unstored = store(attempt, text)
  if unstored then
    log.error("an answer could not be stored", { code = unstored.code })
  end
  return {
    body = text,
    content_type = CONTENT_TYPE,
    headers = response.headers,
  }
end

--- The request's key.
---@param req tide.Request with a header of this name
---@return string|nil key, tide.Error|nil err idempotency_key_invalid
local function key_of(req)
  local key = req:header(M.HEADER)
  if #key > 255 or not key:find("^[\x21-\x7e]+$") then
    return nil, errors.new("idempotency_key_invalid")
  end
  return key
end

--- Runs the handler of a request with an Idempotency-Key, unless it was
--- answered before. The handler answers in JSON with status 200.
---@param req tide.Request
---@param handler fun(req: tide.Request): tide.Response|nil, tide.Error|nil
---@return tide.Response|nil response
---@return tide.Error|nil err idempotency_key_invalid, idempotency_in_flight,
--- idempotency_key_reused and the handler's
function M.run(req, handler)
  local key, invalid = key_of(req)
  if not key then
    return nil, invalid
  end
  local attempt = {
    user_id = req.user.id,
    key = key,
    fingerprint = crypto.sha256(req.path .. "\n" .. req:raw_body()),
  }
  local name = attempt.user_id .. ":" .. key
  if not running:add(name, attempt.fingerprint, RUNS_MS) then
    local same = running:get(name) == attempt.fingerprint
    local err = errors.new(
      same and "idempotency_in_flight" or "idempotency_key_reused"
    )
    err.retry_after = same and 1 or nil
    return nil, err
  end
  local ok, response, err = pcall(answer, attempt, req, handler)
  running:delete(name)
  if not ok then
    error(response, 0)
  end
  return response, err
end

return M
