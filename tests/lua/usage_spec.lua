local tide = require "tests.lua.support.tide"

describe("policy.usage", function()
  local usage

  before_each(function()
    tide.install()
    usage = require "policy.usage"
  end)

  it("estimates a question by its texts", function()
    -- The fake counts four bytes a token; every message has four on top.
    assert.equal(0, usage.estimate_input({}))
    assert.equal(4 + 1 + 4 + 2, usage.estimate_input({
      { role = "system", content = "abcd" },
      { role = "user", content = "abcde" },
    }))
    local with_picture = usage.estimate_input({
      {
        role = "user",
        content = {
          { type = "text", text = "abcd" },
          { type = "image_url", image_url = { url = ("x"):rep(4000) } },
        },
      },
    })
    assert.equal(4 + 1 + 800, with_picture)
  end)

  it("counts tools and their calls", function()
    local plain = { { role = "user", content = "hi" } }
    local tools = { { type = "function", ["function"] = { name = "f" } } }
    assert.is_true(usage.estimate_input(plain, tools)
      > usage.estimate_input(plain))
    local calling = { role = "assistant", tool_calls = tools }
    assert.is_true(usage.estimate_input({ calling }) > 4)
  end)

  it("believes only counts that a request can have", function()
    for _, value in ipairs({ 0, 1, 12.0, 1000000000 }) do
      assert.equal(math.tointeger(value), usage.read_count(value))
    end
    for _, value in ipairs({ -1, 1.5, 1000000001, 1 << 53, math.maxinteger,
      math.mininteger, 1e308, -1e308, math.huge, 0 / 0, "7", true, {} }) do
      assert.is_nil(usage.read_count(value), tostring(value))
    end
    assert.is_nil(usage.read_count(nil))
  end)

  it("knows a day from a text", function()
    for _, day in ipairs({ "2026-01-31", "2024-02-29", "2026-12-01" }) do
      assert.is_true(usage.is_date(day), day)
    end
    for _, text in ipairs({ "", "2026-1-1", "2026-13-01", "2026-00-10",
      "2026-04-31", "2026-01-00", "2026-01-01T00:00", "x2026-01-01" }) do
      assert.is_false(usage.is_date(text), text)
    end
  end)
end)
