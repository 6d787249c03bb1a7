--- Requests that are sent again under the same Idempotency-Key are answered
--- once: the second one gets the first one's answer. Semantics of the IETF
--- draft "The Idempotency-Key HTTP Header Field": the same key with another
--- request is 422, one whose first request still runs is 409. Keys belong to
--- one user and are valid for 24 hours.
---
--- Running requests are known in memory only, so that a crash releases every
--- key; answers are in the database. Only answers are stored: an error leaves
--- the key free, because otherwise a retry could never help.
---
--- M.run is for routes that answer in JSON; chat/send_once shows what the other
--- functions are for.

local crypto = require "tide.crypto"
local db = require "tide.db"
local errors = require "lib.errors"
local log = require "tide.log"
local shared = require "tide.shared"
local time = require "tide.time"

local M = {}

M.HEADER = "Idempotency-Key"

--- Told with what was done before.
M.REPLAYED = { ["Idempotent-Replayed"] = "true" }

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

---@param attempt Attempt
---@return string
local function name_of(attempt)
  return attempt.user_id .. ":" .. attempt.key
end

--- What a request with a key is known by.
---@param req tide.Request
---@param key string the header, or req.node_key
---@return Attempt|nil attempt, tide.Error|nil err idempotency_key_invalid
function M.attempt(req, key)
  if #key > 255 or not key:find("^[\x21-\x7e]+$") then
    return nil, errors.new("idempotency_key_invalid")
  end
  return {
    user_id = req.user.id,
    key = key,
    fingerprint = crypto.sha256(req.path .. "\n" .. req:raw_body()),
  }
end

--- Makes the attempt the one that runs, until M.release.
---@param attempt Attempt
---@return true|nil ok
---@return tide.Error|nil err idempotency_in_flight, idempotency_key_reused
function M.hold(attempt)
  local name = name_of(attempt)
  if running:add(name, attempt.fingerprint, RUNS_MS) then
    return true
  end
  local other = running:get(name)
  if other and other ~= attempt.fingerprint then
    return nil, errors.new("idempotency_key_reused")
  end
  local err = errors.new("idempotency_in_flight")
  err.retry_after = 1
  return nil, err
end

---@param attempt Attempt
function M.release(attempt)
  running:delete(name_of(attempt))
end

--- What was stored under the key.
---@param attempt Attempt
---@return string|nil answer nil and no error: nothing is stored
---@return tide.Error|nil err idempotency_key_reused
function M.recall(attempt)
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
  return row.answer
end

--- Statements for db.write: they delete what is too old and store an answer.
---@param attempt Attempt
---@param expression string SQL of the answer
---@param ... any its parameters
---@return table[]
function M.storing(attempt, expression, ...)
  local now = time.unix()
  return {
    {
      "DELETE FROM idempotency_keys WHERE answered_at <= ?",
      { now - LIFETIME_S },
    },
    {
      "INSERT INTO idempotency_keys "
        .. "(user_id, key, fingerprint, answered_at, answer) "
        .. "VALUES (?, ?, ?, ?, "
        .. expression
        .. ")",
      { attempt.user_id, attempt.key, attempt.fingerprint, now, ... },
    },
  }
end

--- Lets go of a key, if this is what is stored under it.
---@param attempt Attempt
---@param answer string
function M.forget(attempt, answer)
  local _, err = db.write({
    {
      "DELETE FROM idempotency_keys "
        .. "WHERE user_id = ? AND key = ? AND answer = ?",
      { attempt.user_id, attempt.key, answer },
    },
  })
  if err then
    log.error("a key could not be freed", { code = err.code })
  end
end

--- Answers, and stores what was answered.
---@param attempt Attempt
---@param req tide.Request
---@param handler fun(req: tide.Request): tide.Response|nil, tide.Error|nil
---@return tide.Response|nil response, tide.Error|nil err
local function answer(attempt, req, handler)
  local known, failed = M.recall(attempt)
  if failed then
    return nil, failed
  elseif known then
    return { body = known, content_type = CONTENT_TYPE, headers = M.REPLAYED }
  end
  local response, err = handler(req)
  if not response then
    return nil, err
  end
  local text = req:encode(response.json)
  -- What was done is done: an error would make the client do it again.
  local _, unstored = db.write(M.storing(attempt, "?", text))
  if unstored then
    log.error("an answer could not be stored", { code = unstored.code })
  end
  return {
    body = text,
    content_type = CONTENT_TYPE,
    headers = response.headers,
  }
end

--- Runs the handler of a request with an Idempotency-Key, unless it was
--- answered before. The handler answers in JSON with status 200.
---@param req tide.Request
---@param handler fun(req: tide.Request): tide.Response|nil, tide.Error|nil
---@return tide.Response|nil response
---@return tide.Error|nil err idempotency_key_invalid, idempotency_in_flight,
--- idempotency_key_reused and the handler's
function M.run(req, handler)
  local attempt, invalid = M.attempt(req, req:header(M.HEADER))
  if not attempt then
    return nil, invalid
  end
  local held, refused = M.hold(attempt)
  if not held then
    return nil, refused
  end
  local ok, response, err = pcall(answer, attempt, req, handler)
  M.release(attempt)
  if not ok then
    error(response, 0)
  end
  return response, err
end

return M
