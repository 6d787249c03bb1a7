--- The cache of sessions, their conversations and model configurations. Each
--- value has the version of its row, and the caller has just read the row's: so
--- nothing stale and nothing deleted comes out, whatever Redis has missed. Keys
--- carry the user's id. API keys are here as they are in the database: sealed.

local cache = require "tide.cache"
local json = require "tide.json"

local M = {}

--- How long values stay when nobody uses them again.
local TTL_MS = 30 * 60 * 1000

---@param kind string
---@param user_id integer
---@param name string
---@return string
local function key_of(kind, user_id, name)
  return ("%s:%d:%s"):format(kind, user_id, name)
end

--- Whether cached values outlive this process: there is a Redis.
---@return boolean
function M.is_shared()
  return cache.is_shared()
end

---@param key string
---@param version integer
---@return table|nil
local function read(key, version)
  local value = cache.get(key, version)
  return value and (json.decode(value)) or nil
end

--- Caches a session.
---@param session table row of chat_sessions with its version
---@param ttl_ms? integer default 30 minutes
function M.cache_chat_session(session, ttl_ms)
  local key = key_of("session", session.user_id, session.session_id)
  cache.put(key, session.version, json.encode(session), ttl_ms or TTL_MS)
end

---@param user_id integer
---@param session_id string
---@param version integer the row's, as it is now
---@return table|nil session row of chat_sessions
function M.get_cached_chat_session(user_id, session_id, version)
  return read(key_of("session", user_id, session_id), version)
end

--- Caches a model's configuration, its API key sealed.
---@param api table row of user_apis with its version
---@param ttl_ms? integer default 30 minutes
function M.cache_model_config(api, ttl_ms)
  local key = key_of("model", api.user_id, tostring(api.id))
  cache.put(key, api.version, json.encode(api), ttl_ms or TTL_MS)
end

---@param user_id integer
---@param api_id integer
---@param version integer the row's, as it is now
---@return table|nil api row of user_apis
function M.get_cached_model_config(user_id, api_id, version)
  return read(key_of("model", user_id, tostring(api_id)), version)
end

--- Caches a conversation: the end of the path to its newest message. Not while
--- a reply runs in it: the reply's text changes without a new version.
---@param session table row of chat_sessions with its version
---@param rows table[] of messages, oldest first
---@param limit integer how many were asked for
---@param ttl_ms? integer default 30 minutes
function M.cache_full_session(session, rows, limit, ttl_ms)
  for _, row in ipairs(rows) do
    if row.status == "streaming" then
      return
    end
  end
  local key = key_of("full", session.user_id, session.session_id)
  cache.put(
    key,
    session.version,
    json.encode({ limit = limit, rows = json.array(rows) }),
    ttl_ms or TTL_MS
  )
end

--- The conversation, when as many rows as asked for are cached.
---@param session table row of chat_sessions, just read
---@param limit integer
---@return table[]|nil rows oldest first
function M.get_cached_full_session(session, limit)
  local key = key_of("full", session.user_id, session.session_id)
  local cached = read(key, session.version)
  if not cached or cached.limit < limit then
    return nil
  end
  local surplus = #cached.rows - limit
  if surplus <= 0 then
    return cached.rows
  end
  return table.move(cached.rows, surplus + 1, #cached.rows, 1, {})
end

--- Forgets a session; its row is gone already.
---@param user_id integer
---@param session_id string
function M.forget_session(user_id, session_id)
  cache.delete(key_of("session", user_id, session_id))
  cache.delete(key_of("full", user_id, session_id))
end

--- Forgets a model's configuration.
---@param user_id integer
---@param api_id integer
function M.forget_model_config(user_id, api_id)
  cache.delete(key_of("model", user_id, tostring(api_id)))
end

return M
