local tide = require "tests.lua.support.tide"

describe("chat.search", function()
  local search, count, matches, unready

  before_each(function()
    count, matches, unready = 0, {}, nil
    tide.install({
      db = {
        index_for_search = function(user_id)
          assert.equal(7, user_id)
          return not unready or nil, unready
        end,
        fetch = function(sql, args)
          matches[#matches + 1] = args[1]
          if sql:find("COUNT", 1, true) then
            return { { n = math.min(count, args[2]) } }
          end
          local rows = {}
          for i = 1, args[3] do
            rows[i] = { message_id = args[4] + i }
          end
          return rows
        end,
      },
    })
    search = require "chat.search"
  end)

  it("looks for beginnings from three letters on", function()
    for q, expression in pairs({
      ["ti"] = '"ti"',
      ["tid"] = '"tid"*',
      ["high tide"] = '"high" "tide"*',
      ["tide in"] = '"tide" "in"',
      ["潮水涨"] = '"潮水涨"',
      ['a"b'] = '"a""b"*',
    }) do
      search.find_messages(7, q, 20, 0)
      assert.equal(
        'owner : "u7" AND content : (' .. expression .. ")",
        matches[#matches]
      )
    end
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
    assert.same({}, matches)
  end)
end)
