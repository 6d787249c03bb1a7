local tide = require "tests.lua.support.tide"

--- A dictionary that keeps everything; `now` is moved by the test.
local function dictionary(clock)
  local values = {}
  local function live(key)
    local entry = values[key]
    if entry and entry.ends and entry.ends <= clock.now * 1000 then
      values[key] = nil
    end
    return values[key]
  end
  local dict = {}
  local function ends(ttl)
    return ttl and ttl > 0 and clock.now * 1000 + ttl or nil
  end
  function dict.get(_, key)
    local entry = live(key)
    return entry and entry.value
  end
  function dict.set(_, key, value, ttl)
    values[key] = { value = value, ends = ends(ttl) }
    return true
  end
  function dict.add(self, key, value, ttl)
    return not live(key) and self:set(key, value, ttl)
  end
  function dict.incr(self, key, by, ttl)
    if not live(key) then
      self:set(key, 0, ttl)
    end
    values[key].value = values[key].value + (by or 1)
    return values[key].value
  end
  function dict.delete(_, key)
    values[key] = nil
  end
  function dict.ttl(_, key)
    local entry = live(key)
    return entry and (entry.ends and entry.ends - clock.now * 1000 or 0)
  end
  return dict
end

describe("account.login_throttle", function()
  local clock, rows, throttle, names

  --- A server that starts: what is in memory is gone.
  local function start()
    local dict = dictionary(clock)
    tide.install({
      shared = {
        dict = function()
          return dict
        end,
      },
      time = {
        unix = function()
          return clock.now
        end,
      },
      crypto = {
        sha256 = function(text)
          names[text] = names[text] or ("%064d"):format(#text * 1000 + names.n)
          names.n = names.n + 1
          return names[text]:reverse()
        end,
      },
      log = { warn = function() end },
      nodes = {
        is_shared = function()
          return false
        end,
      },
      db = {
        one = function(_, values)
          return rows[values[1]]
        end,
        write = function(statements)
          for _, statement in ipairs(statements) do
            local values = statement[2]
            if statement[1]:find("^INSERT") then
              rows[values[1]] = {
                failures = values[3],
                until_at = values[4],
                known = values[5],
                seen_at = values[6],
              }
            end
          end
          return {}
        end,
      },
    }, { trusted_proxies = { "127.0.0.1/32" } })
    throttle = require "account.login_throttle"
  end

  before_each(function()
    clock, rows, names = { now = 1000000 }, {}, { n = 0 }
    start()
  end)

  local function guess(address, right)
    local known
    local _, err = throttle.log_in(
      { ip = address or "203.0.113.1" },
      "massy",
      "invalid_credentials",
      function(is_known)
        known = is_known
        return right or nil, not right and { code = "invalid_credentials" }
      end
    )
    return err and err.code, known, err and err.retry_after
  end

  local function guess_until_throttled()
    for _ = 1, 10 do
      assert.equal("invalid_credentials", (guess()))
    end
    assert.equal("login_throttled", (guess()))
  end

  it("waits longer and longer", function()
    guess_until_throttled()
    local waits = {}
    for i = 1, 12 do
      local code, _, seconds = guess()
      assert.equal("login_throttled", code)
      waits[i] = seconds
      clock.now = clock.now + seconds
      assert.equal("invalid_credentials", (guess()))
    end
    assert.same({ 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900 }, waits)
  end)

  it("remembers over a restart what was written", function()
    guess_until_throttled()
    clock.now = clock.now + 1
    assert.equal("invalid_credentials", (guess()))
    assert(throttle.write())
    start()
    assert.equal("login_throttled", (guess()))
    clock.now = clock.now + 2
    assert.equal("invalid_credentials", (guess()), "the wait is over")
    local _, _, seconds = guess()
    assert.equal(4, seconds, "and the next one is longer")
  end)

  it("remembers who logged in", function()
    local _, known = guess("203.0.113.1", true)
    assert.is_false(known)
    assert(throttle.write())
    start()
    _, known = guess("203.0.113.1", true)
    assert.is_true(known)
    _, known = guess("203.0.113.2", true)
    assert.is_false(known)
  end)

  it("writes a bounded number, and only what has changed", function()
    for i = 1, 600 do
      throttle.log_in(
        { ip = "203.0.113." .. i },
        "massy",
        "invalid_credentials",
        function()
          return nil, { code = "invalid_credentials" }
        end
      )
    end
    assert(throttle.write())
    local count = 0
    for _ in pairs(rows) do
      count = count + 1
    end
    assert.equal(500, count)
    rows = {}
    assert(throttle.write())
    assert.is_nil(next(rows))
  end)

  it("knows one customer's network", function()
    assert.equal("203.0.113.1", throttle.network("203.0.113.1"))
    assert.equal("2001:db8:0:0", throttle.network("2001:db8::1"))
    assert.equal("2001:db8:1:2", throttle.network("2001:db8:1:2:3:4:5:6"))
    assert.equal("0:0:0:0", throttle.network("::1"))
    assert.equal("1:0:3:4", throttle.network("1::3:4:5:6:7:8"))
  end)
end)
