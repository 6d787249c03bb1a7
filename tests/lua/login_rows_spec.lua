local tide = require "tests.lua.support.tide"

describe("account.login_rows", function()
  local stored, others, locks, rows
  local PAIR = { kind = "pair", row = "pair:1", account = 1 }
  local ADDRESS = { kind = "address", row = "address:1" }

  --- Changes a row as SQL_CHANGE does, if it is as it was read.
  local function change(values)
    local key, failures, until_at = values[1], values[3], values[4]
    local row = stored[key]
    if row and (row.failures ~= values[7] or row.until_at ~= values[8]) then
      return { changes = 0 }
    end
    stored[key] = {
      key = key, failures = failures, until_at = until_at, known = values[5],
      seen_at = values[6],
    }
    return { changes = 1 }
  end

  before_each(function()
    stored, others, locks = {}, {}, {}
    tide.install({
      time = {
        unix = function()
          return 1000
        end,
      },
      db = {
        query = function(_, keys)
          local found = {}
          for _, key in ipairs(keys) do
            found[#found + 1] = stored[key]
          end
          return found
        end,
        write = function(statements, options)
          locks[#locks + 1] = options.user
          local other = table.remove(others, 1)
          if other then
            other()
          end
          local done = {}
          for i, statement in ipairs(statements) do
            done[i] = change(statement[2])
          end
          return done
        end,
      },
    })
    rows = require "account.login_rows"
  end)

  it("counts an attempt in both rows", function()
    assert.equal(0, rows.enter({ PAIR, ADDRESS }))
    assert.equal(1, stored["pair:1"].failures)
    assert.equal(1, stored["address:1"].failures)
  end)

  it("takes one lock with every write, whatever the rows are", function()
    assert.equal(0, rows.enter({ PAIR, ADDRESS }))
    assert.equal(1, #locks)
    assert.equal(0, rows.take_back({ ADDRESS }, ADDRESS))
    assert.same({ math.maxinteger - 1, math.maxinteger - 1 }, locks)
  end)

  for name, order in pairs({
    ["the first"] = { PAIR, ADDRESS },
    ["the second"] = { ADDRESS, PAIR },
  }) do
    it("takes an attempt back if " .. name .. " has to wait then", function()
      assert.equal(0, rows.enter({ PAIR, ADDRESS }))
      others[1] = function()
        stored["pair:1"].failures = 50
        stored["pair:1"].until_at = 1600
      end
      assert.equal(600, rows.enter(order))
      assert.equal(50, stored["pair:1"].failures)
      assert.equal(1, stored["address:1"].failures)
    end)
  end
end)
