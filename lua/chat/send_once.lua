--- A message with an Idempotency-Key is sent once, however often it is asked
--- for; so is one that a node passes on (web/relay), whose key is the request's
--- id. The key is stored in the commit that stores the message, and whoever
--- comes with it later joins the reply, running or ended. A reply that failed
--- before it had anything to tell lets go of the key, for another try. One that
--- a crash cut off does not: somebody may have read more than was stored.

local errors = require "lib.errors"
local idempotency = require "web.idempotency"
local json = require "tide.json"
local replies = require "chat.replies"
local resume = require "chat.resume"
local time = require "tide.time"

local M = {}

--- ms between two looks at whether the first request has begun its turn, and
--- all of them together: it may have to wait for other turns of the session.
local LOOK_MS = 25
local LOOK_MAX_MS = 250
local WAIT_MS = 60000

--- What is stored under the key, made of the id of the reply's row: by SQL when
--- the row is about to be inserted, by answer_of when it exists.
local SQL_ANSWER = [['{"message_id":' || CAST(? AS TEXT) || '}']]

---@param message_id integer
---@return string
local function answer_of(message_id)
  return json.encode({ message_id = message_id })
end

--- Waits until no other request with the key is about to begin.
---@param attempt Attempt
---@return true|nil ok
---@return tide.Error|nil err idempotency_key_reused, idempotency_in_flight
local function hold(attempt)
  local ends = time.mono_ms() + WAIT_MS
  local pause = LOOK_MS
  while true do
    local held, err = idempotency.hold(attempt)
    if held or err.code ~= "idempotency_in_flight" or time.mono_ms() > ends then
      return held, err
    end
    time.sleep(pause)
    pause = math.min(2 * pause, LOOK_MAX_MS)
  end
end

---@param reply tide.Reply
---@return boolean
local function failed_at_once(reply)
  return reply:state() == "finished"
    and reply:length() == 0
    and reply:wait().status == "error"
end

--- The reply that the key stands for.
---@param attempt Attempt
---@param req tide.Request
---@return tide.Response|nil response nil and no error: there is none
---@return tide.Error|nil err idempotency_key_reused, those of resume.follow
local function join(attempt, req)
  local known, unread = idempotency.recall(attempt)
  if not known then
    return nil, unread
  end
  local response, err = resume.follow(
    req,
    req.body.session_id,
    json.decode(known).message_id
  )
  if not response then
    return nil, err
  elseif response.stream and failed_at_once(response.stream) then
    -- Its stream had begun when it failed (replies.begun waits for so long), or
    -- whoever began it could not let go of the key.
    idempotency.forget(attempt, known)
    return nil
  end
  response.headers = idempotency.REPLAYED
  return response
end

--- Joins the reply of the key, or begins the turn.
---@param attempt Attempt that is held
---@param req tide.Request
---@param session LlmSession
---@return tide.Response|nil response
---@return tide.Error|nil err
local function join_or_start(attempt, req, session)
  local joined, unfit = join(attempt, req)
  if joined or unfit then
    return joined, unfit
  end
  req.body.stored_with = function(message_id)
    return idempotency.storing(attempt, SQL_ANSWER, message_id)
  end
  local reply, err = session:start_stream(req.body)
  if reply then
    return { stream = reply }
  elseif err.code == "duplicate" then
    -- Another node was quicker, or the mark of the one that runs was lost
    -- (tide.shared was full).
    joined, unfit = join(attempt, req)
    if joined or unfit then
      return joined, unfit
    end
    return nil, errors.new("idempotency_in_flight")
  end
  -- Another node may have stored the key meanwhile: that is not ours to free.
  if req.body.unstarted then
    idempotency.forget(attempt, answer_of(req.body.unstarted))
  end
  return nil, err
end

--- Joins the reply of the key, or begins the turn, as nobody else does.
---@param req tide.Request
---@param key string
---@param session LlmSession
---@return tide.Response|nil response
---@return tide.Error|nil err
---@return Attempt|nil attempt
local function begin(req, key, session)
  local attempt, invalid = idempotency.attempt(req, key)
  if not attempt then
    return nil, invalid
  end
  local held, refused = hold(attempt)
  if not held then
    return nil, refused
  end
  local ok, response, err = pcall(join_or_start, attempt, req, session)
  idempotency.release(attempt)
  if not ok then
    error(response, 0)
  end
  return response, err, attempt
end

--- Sends a message, or finds the reply to it.
---@param req tide.Request with the body of a message
---@param key string
---@param session LlmSession of that message
---@return tide.Response|nil response
---@return tide.Error|nil err those of LlmSession:start_stream and of
--- resume.follow, idempotency_key_invalid, idempotency_key_reused,
--- idempotency_in_flight
function M.stream(req, key, session)
  local response, err, attempt = begin(req, key, session)
  local reply = response and response.stream
  local joined = response and response.headers == idempotency.REPLAYED
  if not reply or joined and reply:state() == "finished" then
    return response, err
  end
  local begun, failed = replies.begun(reply)
  if begun then
    return response
  elseif attempt and failed_at_once(reply) then
    idempotency.forget(attempt, answer_of(reply.message_id))
  end
  return nil, failed
end

--- The same for who waits for the whole reply.
---@param req tide.Request with the body of a message
---@param key string
---@param session LlmSession of that message
---@return tide.Result|nil result, tide.Error|nil err
function M.whole(req, key, session)
  local response, err = begin(req, key, session)
  if not response then
    return nil, err
  end
  return replies.whole(response.stream)
end

return M
