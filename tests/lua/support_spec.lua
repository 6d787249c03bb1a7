-- What stands for the core's modules knows nothing that the core does not, so
-- that a spec cannot pass with a function that is not there.
local tide = require "tests.lua.support.tide"

describe("support.tide", function()
  before_each(function()
    tide.install()
  end)

  it("takes only functions that the core has", function()
    local ok, message = pcall(tide.install, {
      db = { no_such_function = function() end },
    })
    assert.is_false(ok)
    assert.matches("the core has no tide.db.no_such_function", message)
    assert.is_true(pcall(tide.install, { db = { one = function() end } }))
  end)

  it("stands for every module that does something outside", function()
    local outside = {
      "db", "crypto", "time", "log", "llm", "file_store", "http",
      "task",
    }
    for _, name in ipairs(outside) do
      local ok, message = pcall(require("tide." .. name).anything)
      assert.is_false(ok)
      assert.matches("is not prepared in this test", message)
    end
  end)

  it("leaves all others as they are", function()
    for _, name in ipairs({ "json", "text", "scripts" }) do
      assert.is_table(require("tide." .. name))
    end
    local text = require "tide.text"
    for _, case in ipairs({
      { "潮水", 3, "潮" }, { "潮水", 5, "潮" }, { "潮水", 6, "潮水" },
      { "潮水", 2, "" }, { "abc", 2, "ab" }, { "", 0, "" }, { "潮", 9, "潮" },
    }) do
      assert.equal(case[3], text.truncate(case[1], case[2]))
    end
  end)
end)
