local tide = require "tests.lua.support.tide"

describe("chat.turn_lease", function()
  local turn_lease, owner, failure, now

  before_each(function()
    owner, failure, now = nil, nil, 0
    tide.install({
      nodes = {
        is_shared = function()
          return true
        end,
        self = function()
          return { id = 1, draining = false }
        end,
        owner_of_session = function()
          return owner, failure
        end,
      },
      time = {
        mono_ms = function()
          return now
        end,
        sleep = function(ms)
          now = now + ms
        end,
      },
    }, { ["nodes.lease"] = 5000 })
    turn_lease = require "chat.turn_lease"
  end)

  it("waits as long as another node has the session, and says so", function()
    owner = { id = 2 }
    local free, err = turn_lease.admit(7, "s", false)
    assert.equal(nil, free)
    assert.equal("session_busy", err.code)
    assert.truthy(now >= 5000)
  end)

  it("says why it is not known who has the session", function()
    failure = { code = "database_unavailable" }
    local free, err = turn_lease.admit(7, "s", false)
    assert.equal(nil, free)
    assert.equal("database_unavailable", err.code)
  end)

  it("does not look where the request was passed on to", function()
    owner = { id = 2 }
    assert.equal(true, turn_lease.admit(7, "s", true))
    assert.equal(0, now)
  end)
end)
