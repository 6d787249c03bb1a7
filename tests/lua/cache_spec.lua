local conversations = require "tide.messages"
local tide = require "tests.lua.support.tide"

--- A cache that keeps: what was put under a key, for exactly its version.
local function keeping(shared)
  local kept = {}
  local cache = { kept = kept }
  function cache.get(key, version)
    return kept[key] and kept[key].version == version and kept[key].value
      or nil
  end
  function cache.put(key, version, value, ttl_ms)
    kept[key] = { version = version, value = value, ttl_ms = ttl_ms }
  end
  function cache.delete(key)
    kept[key] = nil
  end
  function cache.is_shared()
    return shared
  end
  return cache
end

local SESSION = {
  id = 1,
  session_id = "s",
  user_id = 7,
  title = "t",
  model_name = "demo",
  persona = "Second",
  message_count = 2,
  version = 5,
}

local ROWS = {
  { id = 3, role = "user", content = "q", status = "complete" },
  { id = 4, role = "assistant", content = "a", status = "complete" },
}

--- The same as a conversation has them.
local READ = {
  { id = 3, role = "user", content = "q", file_ids = "" },
  { id = 4, role = "assistant", content = "a", file_ids = "" },
}

describe("lib.cache", function()
  local fake, service

  before_each(function()
    fake = keeping(true)
    tide.install({ cache = fake })
    service = require "lib.cache"
  end)

  it("gives a session back, of its version and its user only", function()
    service.cache_chat_session(SESSION, 1000)
    assert.same(SESSION, service.get_cached_chat_session(7, "s", 5))
    assert.is_nil(service.get_cached_chat_session(7, "s", 6))
    assert.is_nil(service.get_cached_chat_session(7, "s", 4))
    assert.is_nil(service.get_cached_chat_session(8, "s", 5))
    assert.is_nil(service.get_cached_chat_session(7, "other", 5))
    assert.equal(1000, fake.kept["session:7:s"].ttl_ms)
  end)

  it("gives a model's configuration back, its key still sealed", function()
    local api = { id = 2, user_id = 7, version = 3, api_key = "sealed" }
    service.cache_model_config(api, 2000)
    assert.same(api, service.get_cached_model_config(7, 2, 3))
    assert.is_nil(service.get_cached_model_config(7, 2, 4))
    assert.is_nil(service.get_cached_model_config(8, 2, 3))
    assert.equal(2000, fake.kept["model:7:2"].ttl_ms)
    service.forget_model_config(7, 2)
    assert.is_nil(service.get_cached_model_config(7, 2, 3))
  end)

  it("gives a conversation back, as far as it was asked for", function()
    service.cache_full_session(SESSION, ROWS, 10, 3000)
    assert.same(ROWS, service.get_cached_full_session(SESSION, 10))
    assert.same({ ROWS[2] }, service.get_cached_full_session(SESSION, 1))
    assert.is_nil(service.get_cached_full_session(SESSION, 11))
    local changed = setmetatable({ version = 6 }, { __index = SESSION })
    assert.is_nil(service.get_cached_full_session(changed, 10))
    assert.equal(3000, fake.kept["full:7:s"].ttl_ms)
  end)

  it("keeps no conversation whose reply is still running", function()
    local running = { id = 4, role = "assistant", status = "streaming" }
    service.cache_full_session(SESSION, { ROWS[1], running }, 10, 3000)
    assert.same({}, fake.kept)
  end)

  it("forgets a session with its conversation", function()
    service.cache_chat_session(SESSION, 1000)
    service.cache_full_session(SESSION, ROWS, 10, 1000)
    service.forget_session(7, "s")
    assert.same({}, fake.kept)
  end)
end)

describe("what the cache spares the database", function()
  local log, version, shared

  before_each(function()
    log, version, shared = {}, 5, true
  end)

  --- Puts the modules in place; what the database was asked is in `log`.
  local function install()
    local function note(what, value)
      log[#log + 1] = what
      return value
    end
    local function row()
      return setmetatable({ version = version }, { __index = SESSION })
    end
    tide.install({
      cache = keeping(shared),
      db = {
        one = function(sql)
          if sql:find("SELECT version FROM chat_sessions", 1, true) then
            return note("version", version and { version = version })
          elseif sql:find("FROM chat_sessions", 1, true) then
            local plain = {}
            for key in pairs(SESSION) do
              plain[key] = row()[key]
            end
            return note("session", plain)
          elseif sql:find("SELECT id, status", 1, true) then
            return note("leaf", { id = 4 })
          end
        end,
        messages = function()
          return note("history", conversations.new(ROWS))
        end,
      },
    })
    return require "chat.session_manager", require "chat.messages"
  end

  --- The conversation that is read, as rows.
  local function rows_of(messages, session, leaf)
    return assert(messages.get_conversation(7, session, leaf, 10)):tables(true)
  end

  local function asked()
    local text = table.concat(log, " ")
    log = {}
    return text
  end

  local function open(manager)
    local request = { session_id = "s", model_name = "demo" }
    return assert(manager.get_or_create_session(7, request, "en")).session
  end

  it("a hit reads the version of a session's row only", function()
    local manager = install()
    assert.equal("t", open(manager).title)
    assert.equal("version session", asked())
    assert.equal("t", open(manager).title)
    assert.same(SESSION, manager.get_session(7, "s"))
    assert.equal("version version", asked())
    version = 6
    assert.is_nil(manager.get_session(7, "s"))
    assert.equal(6, open(manager).version)
    assert.equal("version version session", asked())
  end)

  it("a session that is gone does not come out", function()
    local manager = install()
    open(manager)
    version = nil
    local session, err = manager.get_session(7, "s")
    assert.is_nil(session)
    assert.equal("session_not_found", err.code)
  end)

  it("without Redis the row itself is read at once", function()
    shared = false
    local manager = install()
    open(manager)
    open(manager)
    assert.equal("session session", asked())
  end)

  it("a hit queries no history, another version does", function()
    local _, messages = install()
    assert.same(READ, rows_of(messages, SESSION))
    assert.equal("leaf history", asked())
    assert.same(READ, rows_of(messages, SESSION))
    assert.equal("", asked())
    local changed = setmetatable({ version = 6 }, { __index = SESSION })
    assert.same(READ, rows_of(messages, changed))
    assert.equal("leaf history", asked())
    assert.same(READ, rows_of(messages, SESSION, 4))
    assert.equal("history", asked(), "a branch is never taken from there")
  end)

  it("a reply that has ended keeps both for the next turn", function()
    local manager, messages = install()
    manager.cache_session(7, "s", 10)
    assert.equal("session leaf history", asked())
    assert.equal("t", open(manager).title)
    assert.same(READ, rows_of(messages, SESSION))
    assert.equal("version", asked())
  end)
end)
