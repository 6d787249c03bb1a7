local conversations = require "tide.messages"
local tide = require "tests.lua.support.tide"

describe("chat.llm_session", function()
  local llm_session, turns, log, started, outcome, stored, pieces, history

  --- The order in which the core was asked for things.
  local function note(what)
    log[#log + 1] = what
  end

  before_each(function()
    log, started, stored, pieces = {}, nil, nil, {}
    history = {
      { id = 3, role = "user", content = "q" },
      { id = 4, role = "assistant", content = "a" },
    }
    outcome = { status = "complete", content = "reply", reasoning = "" }
    local db = {
      one = function(sql)
        if sql:find("SELECT version FROM chat_sessions", 1, true) then
          note("version")
          return stored and { version = 1 }
        elseif sql:find("FROM chat_sessions", 1, true) then
          note("session")
          return stored
        elseif sql:find("FROM uploaded_files", 1, true) then
          return stored
            and {
              id = 9,
              file_name = "h.txt",
              file_type = ".txt",
              is_processed = 1,
              content = "the text",
            }
        elseif sql:find("FROM settings", 1, true) then
          return nil
        end
        note("leaf")
        return { id = 4 }
      end,
      query = function(sql)
        if sql:find("FROM user_apis", 1, true) then
          note("api")
          return {}
        end
        error("not expected: " .. sql)
      end,
      messages = function()
        note("history")
        return conversations.new(history)
      end,
      write = function(statements)
        note("write")
        -- Session, question, reply; a new session is counted besides.
        assert.equal(
          statements[1][1]:find("INSERT", 1, true) and 4 or 3,
          #statements
        )
        return { { id = 1 }, { id = 5 }, { id = 6 }, {} }
      end,
    }
    local reply = {
      wait = function()
        note("wait")
        return outcome
      end,
      first = function()
        note("first")
        return "finished"
      end,
      length = function()
        return #outcome.content
      end,
      -- Positions are the core's: here how many pieces were read.
      read = function(_, position)
        note("read " .. position)
        if pieces[position + 1] then
          return pieces[position + 1], position + 1
        end
      end,
    }
    local place = {
      lease = function() end, -- of a server alone
      leave = function() end,
    }
    local llm = {
      check_url = function()
        return true
      end,
      enter = function(user_id, session_id)
        assert.equal(7, user_id)
        assert.equal("s", session_id)
        note("enter")
        return place
      end,
      start = function(spec)
        note("start")
        started = spec
        return reply
      end,
    }
    local time = {
      unix_ns = function()
        return 1767225600000000000
      end,
      now = function()
        return "2026-01-01T00:00:00.000000Z"
      end,
    }
    tide.install(
      { db = db, llm = llm, time = time },
      {
        demo = true,
        ["history.pairs"] = 10,
        ["limits.user_files"] = 1000,
        ["title.ask_model"] = false,
        ["quota.requests_per_minute"] = 0,
        ["quota.burst"] = 0,
        ["quota.tokens_per_day"] = 0,
      }
    )
    llm_session = require "chat.llm_session"
    turns = {}
    for _, name in ipairs({ "send_message", "send_message_stream" }) do
      turns[name] = function(user_id, request, language)
        local session = llm_session.new(user_id, language)
        session:set_session_id(request.session_id)
        return session[name](session, request)
      end
    end
  end)

  local STORED = {
    id = 1,
    user_id = 7,
    version = 1,
    session_id = "s",
    title = "t",
    persona = "Second",
    message_count = 2,
  }

  local REQUEST = { session_id = "s", model_name = "demo", message = "hello" }

  it("waits, reads, stores, and only then asks", function()
    stored = STORED
    local result = turns.send_message(7, REQUEST, "en")
    assert.equal("reply", result.content)
    assert.equal(
      "api enter session leaf history write start wait",
      table.concat(log, " ")
    )
    assert.equal("function", type(started.turn.lease))
    assert.equal(1, started.session_row)
    assert.equal(5, started.user_message_id)
    assert.equal(6, started.message_id)
    assert.is_string(started.play.text)
  end)

  it("stores a new session together with its first turn", function()
    turns.send_message(7, REQUEST, "en")
    assert.equal("api enter session write start wait", table.concat(log, " "))
  end)

  it("refuses before it waits", function()
    local function code_of(change)
      local request = setmetatable(change, { __index = REQUEST })
      local _, err = turns.send_message(7, request, "en")
      return err.code
    end
    assert.equal("missing_field", code_of({ message = "" }))
    assert.equal("file_not_found", code_of({ file_ids = { 1 } }))
    assert.equal("unknown_persona", code_of({ persona = "Nobody" }))
    assert.equal("no_api_for_model", code_of({ model_name = "other" }))
    assert.falsy(table.concat(log, " "):find("enter", 1, true))
  end)

  it("hands a failed reply's error on, keeps a stopped one's text", function()
    outcome = {
      status = "error",
      content = "",
      error = { code = "upstream_timeout" },
    }
    local _, err = turns.send_message(7, REQUEST, "en")
    assert.equal("upstream_timeout", err.code)
    _, err = turns.send_message_stream(7, REQUEST, "en")
    assert.equal("upstream_timeout", err.code)
    outcome = { status = "stopped", content = "par" }
    assert.equal("par", turns.send_message(7, REQUEST, "en").content)
  end)

  it("streams a reply that failed after its first byte", function()
    outcome = {
      status = "error",
      content = "par",
      error = { code = "upstream_reset" },
    }
    assert.is_table(turns.send_message_stream(7, REQUEST, "en"))
  end)

  it("shows the history, with the texts of attached files", function()
    stored = STORED
    history[1].file_ids = "[9]"
    local session = llm_session.new(7, "en")
    session:set_session_id("s")
    assert.same({
      { role = "user", content = "q\n\n=== h.txt ===\nthe text" },
      { role = "assistant", content = "a" },
    }, session:get_messages())
    assert.equal("session leaf history", table.concat(log, " "))
  end)

  it("has no history of a session that is not the user's", function()
    local session = llm_session.new(7, "en")
    session:set_session_id("s")
    local messages, err = session:get_messages()
    assert.is_nil(messages)
    assert.equal("session_not_found", err.code)
  end)

  it("sends the system prompt that was set, or the persona's", function()
    local function prompt_of(session)
      local seen
      package.loaded["hooks"].before_llm = function(turn)
        seen = turn.messages[1]
      end
      assert.is_table(session:send_message({
        model_name = "demo",
        message = "hello",
      }))
      return seen
    end
    local session = llm_session.new(7, "en")
    session:set_session_id("s")
    session:set_system_prompt("Speak like the sea.")
    local own = { role = "system", content = "Speak like the sea." }
    assert.same(own, prompt_of(session))
    session:set_system_prompt(nil)
    assert.equal("You are the first.", prompt_of(session).content)
  end)

  it("hands every piece of a stream on, in order, up to its end", function()
    pieces = { "潮", "起", "潮落" }
    outcome.content = "潮起潮落"
    local session = llm_session.new(7, "en")
    session:set_session_id("s")
    local got = {}
    local reply = session:send_message_stream(
      { model_name = "demo", message = "hello" },
      function(piece)
        got[#got + 1] = piece
      end
    )
    assert.is_table(reply)
    assert.same(pieces, got)
    assert.truthy(
      table.concat(log, " "):find("first read 0 read 1 read 2 read 3$")
    )
  end)

  it("hands nothing on of a reply that failed without a byte", function()
    outcome = {
      status = "error",
      content = "",
      error = { code = "upstream_timeout" },
    }
    local session = llm_session.new(7, "en")
    session:set_session_id("s")
    local reply, err = session:send_message_stream(
      { model_name = "demo", message = "hello" },
      function()
        error("nothing was said")
      end
    )
    assert.is_nil(reply)
    assert.equal("upstream_timeout", err.code)
  end)
end)
