local tide = require "tests.lua.support.tide"

describe("chat.search", function()
  local search, count, asked, unready

  before_each(function()
    count, asked, unready = 0, 0, nil
    tide.install({
      search = {
        index = function(user_id)
          assert.equal(7, user_id)
          return not unready or nil, unready
        end,
        count = function(_, words, limit)
          asked = asked + 1
          assert.equal("tide", words)
          return math.min(count, limit)
        end,
        find = function(_, _, limit, offset)
          local rows = {}
          for i = 1, limit do
            rows[i] = { message_id = offset + i }
          end
          return rows
        end,
      },
    })
    search = require "chat.search"
  end)

  it("counts what anybody would page through", function()
    count = 10000
    local rows, total, capped = search.find_messages(7, "tide", 20, 9990)
    assert.equal(10, #rows)
    assert.equal(10000, total)
    assert.is_false(capped)
    count = 123456
    rows, total, capped = search.find_messages(7, "tide", 20, 9990)
    assert.equal(10, #rows)
    assert.equal(10000, total)
    assert.is_true(capped)
    rows, total = search.find_messages(7, "tide", 20, 10000)
    assert.same({}, rows)
    assert.equal(10000, total)
  end)

  it("does not look where the newest messages are missing", function()
    unready = { code = "busy", status = 503 }
    local rows, err = search.find_messages(7, "tide", 20, 0)
    assert.is_nil(rows)
    assert.equal(unready, err)
    assert.equal(0, asked)
  end)
end)
