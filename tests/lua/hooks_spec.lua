local tide = require "tests.lua.support.tide"

describe("lib.hooks", function()
  local hooks

  before_each(function()
    tide.install()
    hooks = require "lib.hooks"
  end)

  it("leaves out what nobody defines", function()
    local joined = hooks.join({ {}, { helper = 1 } })
    for _, name in ipairs({
      "on_request", "on_response", "before_llm", "on_delta", "after_llm",
    }) do
      assert.is_nil(joined[name])
    end
  end)

  it("says which entry is wrong", function()
    assert.has_error(function()
      hooks.join({ {}, true })
    end, "hooks.lua: entry 2 is a boolean, not a table")
    assert.has_error(function()
      hooks.join({ { on_delta = "x" } })
    end, "hooks.lua: on_delta of entry 1 is a string, not a function")
  end)

  it("takes the first answer of on_request", function()
    local asked = {}
    local function hook(name, response, err)
      return {
        on_request = function()
          asked[#asked + 1] = name
          return response, err
        end,
      }
    end
    local refusal = { code = "forbidden" }
    local joined = hooks.join({
      hook("a"), hook("b", nil, refusal), hook("c", { json = 1 }),
    })
    local response, err = joined.on_request({}, {})
    assert.is_nil(response)
    assert.equal(refusal, err)
    assert.same({ "a", "b" }, asked)
    assert.is_nil(hooks.join({ hook("a") }).on_request({}, {}))
  end)

  it("hands the answer through on_response", function()
    local joined = hooks.join({
      {
        on_response = function(_, _, response)
          return { json = response.json + 1 }
        end,
      },
      { on_response = function() end },
      {
        on_response = function(_, _, response)
          return nil, { code = "n" .. response.json }
        end,
      },
    })
    local response, err = joined.on_response({}, {}, { json = 1 })
    assert.is_nil(response)
    assert.same({ code = "n2" }, err)
  end)

  it("lets every before_llm change the turn, and any refuse it", function()
    local joined = hooks.join({
      {
        before_llm = function(turn)
          turn.title = turn.title .. "!"
        end,
      },
      {
        before_llm = function(turn)
          if turn.title == "no!" then
            return nil, { code = "forbidden" }
          end
        end,
      },
    })
    local turn = { title = "yes" }
    assert.is_true(joined.before_llm(turn))
    assert.equal("yes!", turn.title)
    assert.same(
      { code = "forbidden" },
      select(2, joined.before_llm({ title = "no" }))
    )
  end)

  it("calls every after_llm in order", function()
    local told = {}
    local function hook(name)
      return {
        after_llm = function(turn, result)
          told[#told + 1] = name .. turn.session_id .. result.content
        end,
      }
    end
    hooks.join({ hook("a"), hook("b") }).after_llm(
      { session_id = "s" },
      { content = "c" }
    )
    assert.same({ "asc", "bsc" }, told)
  end)

  --- Holds everything back until the end.
  local holder = {
    on_delta = function()
      local held = ""
      return function(text, final)
        held = held .. text
        return final and held or ""
      end
    end,
  }
  local shouter = {
    on_delta = function(_, kind)
      return kind == "content" and string.upper or nil
    end,
  }
  local watcher = {
    on_delta = function(turn)
      return function(text)
        turn.seen = (turn.seen or "") .. "[" .. text .. "]"
      end
    end,
  }

  it("puts filters one behind the other, with a state each", function()
    local turn, other = {}, {}
    local joined = hooks.join({ holder, shouter, watcher })
    local filter, second = joined.on_delta(turn), joined.on_delta(other)
    assert.equal("", filter("ab", "content", false))
    assert.equal("", second("x", "content", false))
    assert.equal("", filter("r", "reasoning", false))
    assert.equal("", filter("c", "content", false))
    assert.is_nil(turn.seen)
    assert.equal("r", filter("", "reasoning", true))
    assert.equal("ABC", filter("", "content", true))
    assert.equal("X", second("", "content", true))
    assert.equal("[r][ABC]", turn.seen)
  end)

  it("makes no filter for a reply that nobody filters", function()
    local uninterested = { on_delta = function() end }
    assert.is_nil(hooks.join({ uninterested }).on_delta({}))
    assert.has_error(function()
      hooks.join({ { on_delta = tostring } }).on_delta({})
    end, "on_delta must return a function or nil, not a string")
  end)
end)

describe("hooks of a request", function()
  local calls, pipeline, hooks

  before_each(function()
    calls = {}
    tide.install()
    hooks = {}
    package.loaded["hooks"] = hooks
    pipeline = require "web.pipeline"
  end)

  local function run(handler)
    return pipeline.run({
      auth = "none",
      query = { fields = { { name = "n", type = "integer" } } },
      handler = handler or function()
        calls[#calls + 1] = "handler"
        return { json = 1 }
      end,
    }, tide.request({ query = { n = "x" } }))
  end

  it("come before the arguments are looked at", function()
    hooks.on_request = function()
      return { json = 2 }
    end
    assert.same({ json = 2 }, run())
    assert.same({}, calls)
    hooks.on_request = function() end
    assert.equal("invalid_field", select(2, run()).code)
  end)

  it("see errors too", function()
    hooks.on_response = function(_, _, response, err)
      assert.is_nil(response)
      return { status = 200, json = err.code }
    end
    assert.same({ status = 200, json = "invalid_field" }, run())
  end)
end)
