local tide = require "tests.lua.support.tide"

--- The words that a pattern finds in a file, sorted.
local function words_of(path, pattern)
  local words = {}
  for word in assert(checkout.read(path), path):gmatch(pattern) do
    words[#words + 1] = word
  end
  table.sort(words)
  return words
end

local function sorted(list)
  local copy = table.move(list, 1, #list, 1, {})
  table.sort(copy)
  return copy
end

describe("checks.advice", function()
  local advice, hooks, mine

  before_each(function()
    local files = {
      routes = { "a", "b" },
      hooks = {},
      providers = { "anthropic", "gemini", "mine", "ollama", "openai" },
    }
    mine = { name = "mine" }
    tide.install({
      scripts = {
        names = function(folder)
          return files[folder] or {}
        end,
      },
    })
    hooks = { parts = {} }
    package.loaded["hooks"] = hooks
    package.loaded["providers.mine"] = mine
    advice = require "checks.advice"
  end)

  it("knows the fields of a route that types/route.lua has", function()
    assert.same(
      words_of("lua/types/route.lua", "%-%-%-@field ([%w_]+)"),
      sorted(advice.ROUTE_FIELDS)
    )
  end)

  it("warns of a response that is no schema", function()
    package.loaded["routes.a"], package.loaded["routes.b"] = {}, {}
    local function found(response)
      local list = advice.of_routes({ { path = "/x", response = response } })
      return list[1] and list[1].code .. " " .. list[1].message
    end
    local A = { name = "a", type = "string" }
    assert.same({}, advice.of_routes({ { path = "/x" } }))
    assert.is_nil(found({ type = "object", fields = { A } }))
    assert.is_nil(found({ fields = { A } }))
    assert.equal("wrong_response_schema response: 'a' is there twice",
      found({ fields = { A, A } }))
    assert.equal("wrong_response_schema response: unknown type 'x'",
      found({ type = "x" }))
    assert.equal("wrong_response_schema response: a schema is a table, "
      .. "not a string", found("object"))
  end)

  it("has no warning for what comes along", function()
    assert.same({}, advice.of_policies())
    assert.same({}, advice.of_providers())
  end)

  it("knows a provider's old names, which still work", function()
    local function plan() end
    package.loaded["providers.registry"] = nil
    package.loaded["checks.advice"] = nil
    mine.plan = plan
    local found = require("checks.advice").of_providers()
    assert.equal(1, #found)
    assert.equal("old_name", found[1].code)
    assert.equal(plan, found[1].at)
    assert.equal(plan, require("providers.registry").get("mine").play)
  end)

  it("warns of fields that nobody reads and files that nobody names", function()
    local function handler() end
    local a = { { path = "/a", handler = handler, metod = "GET" } }
    local b = { { path = "/b", handler = handler } }
    package.loaded["routes.a"], package.loaded["routes.b"] = a, b
    local found = advice.of_routes({ a[1] })
    package.loaded["routes.a"], package.loaded["routes.b"] = nil, nil
    assert.same({
      {
        code = "unknown_route_field",
        message = "a route has no field 'metod'",
        at = handler,
      },
      {
        code = "unused_file",
        message = "routes/b.lua is not named in app.lua, its routes are not "
          .. "there",
        at = handler,
      },
    }, found)
  end)

  it("warns of hooks and policies that nobody asks", function()
    local function misspelt() end
    hooks.parts = { { on_detla = misspelt, before_llm = misspelt, n = 1 } }
    local found = advice.of_hooks()
    assert.equal(1, #found)
    assert.equal("unknown_hook", found[1].code)
    assert.equal(misspelt, found[1].at)
    require("policy.title").from_mesage = misspelt
    found = advice.of_policies()
    assert.equal("unknown_policy_function", found[1].code)
    assert.equal(misspelt, found[1].at)
  end)
end)
