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
    for wrong, hook in pairs({
      ["has no function 'run'"] = { required = true },
      ["has the unknown field 'requierd'"] = { run = error, requierd = true },
      ["must have true or false as 'required'"] = { run = error, required = 1 },
    }) do
      assert.has_error(function()
        hooks.join({ {}, { after_llm = hook } })
      end, "hooks.lua: after_llm of entry 2 " .. wrong)
    end
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
    assert.is_nil(joined.before_llm(turn))
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
  end)

  it("lets those behind a filter that ends the reply have its text", function()
    local stopper = {
      on_delta = function()
        return function(text, final)
          assert.is_false(final) -- it is not asked again
          return text .. "!", "stop", "enough"
        end
      end,
    }
    local filter = hooks.join({ stopper, holder }).on_delta({})
    assert.same({ "", "stop", "enough" }, { filter("a", "content", false) })
    assert.equal("a!", filter("", "content", true))
  end)
end)

describe("hooks that fail", function()
  local hooks, logged

  before_each(function()
    logged = {}
    tide.install({
      log = {
        error = function(message, fields)
          assert.equal("hook failed", message)
          logged[#logged + 1] = fields
        end,
      },
    })
    hooks = require "lib.hooks"
  end)

  local TURN = { session_id = "s", user_id = 7, req = { id = "abc" } }

  local function failing()
    error("broken")
  end

  it("are logged with their place and do not take others along", function()
    local called = {}
    local joined = hooks.join({
      { before_llm = failing, after_llm = failing },
      {
        before_llm = function()
          called[#called + 1] = "before"
        end,
        after_llm = function()
          called[#called + 1] = "after"
        end,
      },
    })
    assert.same({}, { joined.before_llm(TURN) })
    joined.after_llm(TURN, {})
    assert.same({ "before", "after" }, called)
    assert.equal(2, #logged)
    assert.matches("hooks_spec.lua:%d+: broken", logged[1].error)
    logged[1].error = nil
    assert.same({
      hook = "before_llm",
      owner = "hooks.lua, entry 1",
      required = false,
      request_id = "abc",
      session_id = "s",
      user_id = 7,
    }, logged[1])
  end)

  it("refuse what they are asked about when they are required", function()
    local required = { run = failing, required = true }
    local part = {}
    for name in pairs(hooks.joiners) do
      part[name] = required
    end
    local joined = hooks.join({ part })
    for _, name in ipairs({
      "on_request", "on_response", "on_login", "quota", "before_turn",
      "before_llm", "on_delta", "on_tool",
    }) do
      local value, err = joined[name](TURN, TURN)
      assert.is_nil(value)
      assert.equal("hook_failed", err and err.code, name)
    end
    assert.equal(8, #logged)
  end)

  it("fail when they decide what nobody understands", function()
    local decided
    local joined = hooks.join({
      {
        before_turn = function()
          return table.unpack(decided, 1, 2)
        end,
      },
    })
    for _, wrong in ipairs({
      { "text" }, { {} }, { { answer = 1 } }, { nil, "text" },
      { nil, { code = "no_such_code" } }, { { answer = "", reasoning = "" } },
    }) do
      decided = wrong
      assert.same({}, { joined.before_turn(TURN) })
    end
    assert.equal(6, #logged)
    decided = { { answer = "", finish_reason = "enough" } }
    assert.equal("enough", joined.before_turn(TURN).finish_reason)
  end)

  it("let all text through, unless the filter is required", function()
    local function filter()
      return function(text)
        return text == "b" and error("broken") or text:upper()
      end
    end
    local joined = hooks.join({ { on_delta = filter } })
    local run = joined.on_delta(TURN)
    local told = {}
    for text in ("abc"):gmatch(".") do
      told[#told + 1] = run(text, "content", false)
    end
    assert.same({ "A", "b", "c" }, told)
    assert.equal(1, #logged)
    run = hooks.join({ { on_delta = { run = filter, required = true } } })
      .on_delta(TURN)
    assert.equal("A", run("a", "content", false))
    local ran, message = pcall(run, "b", "content", false)
    assert.is_false(ran)
    assert.matches("hooks_spec.lua:%d+: broken", message)
  end)

  it("name the line of a plugin whose hook returns nonsense", function()
    local scripts = require "tide.scripts"
    package.loaded["tide.scripts"] = setmetatable({
      line_of = function(...)
        local file, part, name = ...
        assert.same({ "plugins/p/plugin.lua", "hooks" }, { file, part })
        return name == "on_delta" and 12 or 34
      end,
    }, { __index = scripts })
    package.loaded["lib.hooks"] = nil
    hooks = require "lib.hooks"
    local joined = hooks.join({})
    hooks.extend(joined, { { on_delta = tostring } }, { "p" })
    assert.is_nil(joined.on_delta(TURN))
    assert.equal("plugin p", logged[1].owner)
    assert.equal("plugins/p/plugin.lua:12: on_delta must return a function or "
      .. "nil, not a string", logged[1].error)
    hooks.extend(joined, { { before_turn = tostring } }, { "p" })
    assert.is_nil(joined.before_turn(TURN))
    assert.matches("^plugins/p/plugin.lua:34: must return nothing",
      logged[#logged].error)
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
