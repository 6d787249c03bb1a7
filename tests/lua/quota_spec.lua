local tide = require "tests.lua.support.tide"

describe("policy.quota", function()
  local quota

  before_each(function()
    tide.install()
    quota = require "policy.quota"
  end)

  local function decide(requests, tokens, per_minute, per_day, at_once, burst)
    return quota.decide({
      user_id = 1,
      model_name = "m",
      requests_this_minute = requests,
      tokens_today = tokens,
      minute_ends_in = 30,
      requests_at_once = at_once or 0,
      burst_ends_in = 10,
      day_ends_in = 600,
    }, {
      requests_per_minute = per_minute,
      burst = burst or 0,
      tokens_per_day = per_day,
    })
  end

  it("lets everybody in without a limit", function()
    assert.is_nil(decide(1000000, 1000000, 0, 0))
  end)

  it("counts requests up to the limit", function()
    assert.is_nil(decide(2, 0, 2, 0))
    assert.equal(30, decide(3, 0, 2, 0))
  end)

  it("lets only a part of them come at once", function()
    assert.is_nil(decide(3, 0, 20, 0, 3, 3))
    assert.equal(10, decide(4, 0, 20, 0, 4, 3))
    assert.is_nil(decide(4, 0, 20, 0, 4, 0))
    assert.is_nil(decide(4, 0, 0, 100, 4, 3))
    assert.equal(30, decide(21, 0, 20, 0, 1, 3))
  end)

  it("counts tokens likewise, and the longer wait wins", function()
    assert.is_nil(decide(1, 99, 0, 100))
    assert.equal(600, decide(1, 100, 0, 100))
    assert.equal(600, decide(3, 100, 2, 100))
  end)
end)

describe("account.quota", function()
  it("counts with the user's lock where nodes count together", function()
    local locks = {}
    tide.install({
      config = {
        get = function(name)
          return name == "quota.tokens_per_day" and 0 or 5
        end,
      },
      time = {
        now = function()
          return "2026-01-01T00:00:00Z"
        end,
        unix = function()
          return 1000
        end,
      },
      nodes = {
        is_shared = function()
          return true
        end,
      },
      db = {
        one = function(sql)
          return sql:find("tokens", 1, true) and { tokens = 0 }
            or { requests = 1, left_us = 1000000 }
        end,
        write = function(_, options)
          locks[#locks + 1] = options.user
          return { { changes = 1 } }
        end,
      },
    })
    assert.is_true((require("account.quota").check(7, "m")))
    assert.same({ 7, 7 }, locks)
  end)
end)
