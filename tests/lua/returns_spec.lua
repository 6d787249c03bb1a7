local tide = require "tests.lua.support.tide"

describe("checks.returns", function()
  local returns, found

  before_each(function()
    found = {}
    tide.install({
      scripts = {
        returns = function()
          return found
        end,
        calls = function()
          return {}
        end,
      },
    })
    package.loaded["hooks"] = { parts = {} }
    returns = require "checks.returns"
  end)

  --- The codes of what is found about a handler that returns these values.
  local function codes(...)
    found = { file = "x.lua", { line = 3, ... } }
    local list = {}
    for i, advice in ipairs(returns.advice({ { handler = function() end } })) do
      list[i] = advice.code .. " " .. advice.message:match("^x.lua:3: (.-)[,(]")
    end
    return list
  end

  it("knows the fields of an answer that types/request.lua has", function()
    local text = assert(checkout.read("lua/types/request.lua"))
    local class = text:match("%-%-%-@class tide.Response\n(.-)\n\n")
    local names = {}
    for name in class:gmatch("%-%-%-@field ([%w_]+)") do
      names[#names + 1] = name
    end
    assert.same(names, returns.RESPONSE_FIELDS)
  end)

  it("takes what it cannot see for right", function()
    assert.same({}, codes({ type = "other" }))
    assert.same({}, codes({ type = "nil" }, { type = "other" }))
    assert.same({}, codes({ type = "table", keys = { "json" }, texts = {} }))
    assert.same({}, codes({ type = "nil" },
      { type = "table", keys = { "code" }, texts = { code = "not_found" } }))
  end)

  it("tells what is none", function()
    assert.same({ "unknown_response_field an answer has no field 'x'" },
      codes({ type = "table", keys = { "x" }, texts = {} }))
    assert.same({ "wrong_return the error is a string" },
      codes({ type = "nil" }, { type = "string" }))
    assert.same({ "unknown_error_code 'x' is not in the error table " },
      codes({ type = "nil" },
        { type = "table", keys = { "code" }, texts = { code = "x" } }))
  end)

  it("looks into hooks that are declared with more than a function", function()
    local asked
    local function run() end
    package.loaded["tide.scripts"].returns = function(fn)
      asked = fn
      return { file = "x.lua", { line = 3, { type = "table",
        keys = { "anwser" }, texts = {} } } }
    end
    package.loaded["hooks"].parts = {
      { before_llm = { required = true, run = run } },
    }
    local advice = returns.advice({})
    assert.equal(run, asked)
    assert.equal("x.lua:3: an answer has no field 'anwser', there are answer, "
      .. "reasoning, finish_reason", advice[1].message)
  end)
end)
