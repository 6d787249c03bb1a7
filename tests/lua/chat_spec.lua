local tide = require "tests.lua.support.tide"

describe("chat.chat", function()
  local chat, row, outcome, refusal, written, asked

  before_each(function()
    row = { id = 1, session_id = "s", user_id = 7, title = "as it is stored" }
    outcome, refusal, written, asked = { { id = 1 } }, nil, nil, nil
    tide.install({
      db = {
        one = function(_, values)
          asked = values
          return row
        end,
        write = function(statements)
          written = statements
          return outcome, refusal
        end,
      },
      time = {
        unix_ns = function()
          return 1767225600000000000
        end,
        now = function()
          return "2026-01-01T00:00:00.000000Z"
        end,
      },
    })
    chat = require "chat.chat"
  end)

  local function create()
    return chat.create_chat_session(7, {
      session_id = "s",
      title = "a new title",
      model_name = "demo",
      persona = "Second",
      message_count = 0,
    })
  end

  it("stores a new session and returns its row", function()
    assert.equal(row, create())
    assert.equal(2, #written)
    assert.truthy(written[1][1]:find("INSERT INTO chat_sessions", 1, true))
    assert.same({ "s", 7, "a new title", "demo", "Second", 0 },
      { table.unpack(written[1][2], 1, 6) })
    assert.truthy(written[2][1]:find("session_count + 1", 1, true))
    assert.same({ 7, "s" }, asked)
  end)

  it("returns the session that is there already, as it is", function()
    outcome, refusal = nil, { code = "duplicate", statement = 1 }
    assert.equal(row, create())
    assert.same({ 7, "s" }, asked)
  end)

  it("does not find a session whose id is another user's", function()
    outcome, refusal = nil, { code = "duplicate", statement = 1 }
    row = nil -- the database shows only rows of the user
    local found, err = create()
    assert.is_nil(found)
    assert.equal("session_not_found", err.code)
    assert.same({ 7, "s" }, asked)
  end)

  it("hands any other failure on", function()
    outcome, refusal = nil, { code = "database_error" }
    local found, err = create()
    assert.is_nil(found)
    assert.equal("database_error", err.code)
    assert.is_nil(asked)
  end)
end)
