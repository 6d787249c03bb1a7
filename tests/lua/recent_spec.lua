local recent = require "lib.recent"

describe("lib.recent", function()
  it("keeps what is asked for and forgets the rest", function()
    local map = recent.new(2)
    map:put("a", 1)
    map:put("b", 2)
    map:put("c", 3)
    assert.equal(1, map:get("a")) -- young again
    map:put("d", 4)
    assert.equal(1, map:get("a"))
    assert.equal(4, map:get("d"))
    assert.is_nil(map:get("b"))
  end)

  it("replaces a value without forgetting another", function()
    local map = recent.new(2)
    map:put("a", 1)
    map:put("b", 2)
    map:put("b", 3)
    assert.equal(1, map:get("a"))
    assert.equal(3, map:get("b"))
  end)
end)
