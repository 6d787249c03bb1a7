local tide = require "tests.lua.support.tide"

describe("chat.send_once", function()
  local send_once, known, forgotten, session, started

  local REQUEST = { user = { id = 7 }, body = { session_id = "s" } }
  local RUNNING = {
    state = function()
      return "running"
    end,
  }

  before_each(function()
    tide.install({
      time = {
        mono_ms = function()
          return 0
        end,
      },
    })
    known, forgotten, started = {}, {}, 0
    package.loaded["web.idempotency"] = {
      REPLAYED = {},
      attempt = function()
        return {}
      end,
      hold = function()
        return true
      end,
      release = function() end,
      recall = function()
        return table.remove(known, 1) or nil
      end,
      forget = function(_, answer)
        forgotten[#forgotten + 1] = answer
      end,
    }
    package.loaded["chat.resume"] = {
      follow = function(_, _, message_id)
        assert.equal(42, message_id)
        return { stream = RUNNING }
      end,
    }
    package.loaded["chat.replies"] = {
      begun = function(reply)
        return reply
      end,
    }
    send_once = require "chat.send_once"
  end)

  --- A session whose turn fails so, after its rows are stored or not.
  local function failing(code, unstarted)
    session = {
      start_stream = function(_, request)
        started = started + 1
        request.unstarted = unstarted
        return nil, { code = code }
      end,
    }
    local response, err = send_once.stream(REQUEST, "key", session)
    return response, err and err.code
  end

  it("does not free a key that another node has stored meanwhile", function()
    known = { false, '{"message_id":42}' }
    local _, code = failing("turn_taken")
    assert.equal("turn_taken", code)
    assert.same({}, forgotten)
  end)

  it("frees the key of a turn that was stored and does not run", function()
    local _, code = failing("busy", 42)
    assert.equal("busy", code)
    assert.same({ '{"message_id":42}' }, forgotten)
  end)

  it("joins the reply of another node that was quicker", function()
    known = { false, '{"message_id":42}' }
    local response = failing("duplicate")
    assert.equal(RUNNING, response.stream)
    assert.equal(1, started)
  end)

  it("says that the one that runs has stored nothing yet", function()
    local _, code = failing("duplicate")
    assert.equal("idempotency_in_flight", code)
  end)
end)
