local tide = require "tests.lua.support.tide"

describe("chat.turn", function()
  local turn_view, shown, turn, made

  before_each(function()
    tide.install()
    turn_view = require "chat.turn"
    made = 0
    shown = turn_view.show({ user_id = 7, model_name = "m" }, {
      messages = function()
        made = made + 1
        return { { role = "user", content = "hi" } }
      end,
      session = function()
        made = made + 1
      end,
    })
    turn = shown.turn
  end)

  --- What is raised, and that it names a line here.
  local function raised(use)
    local ran, message = pcall(use)
    assert.is_false(ran)
    return (message:gsub("^.*turn_spec.lua:%d+: ", ""))
  end

  it("makes what somebody reads, once", function()
    assert.equal("m", turn.model_name)
    assert.equal(0, made)
    turn.messages[1].content = "changed"
    assert.equal("changed", turn.messages[1].content)
    assert.is_nil(turn.session)
    assert.is_nil(turn.session)
    assert.equal(2, made)
    assert.is_nil(turn.tools)
  end)

  it("raises for fields that it does not have, with the nearest one", function()
    assert.equal(
      "a turn has no field 'mesages', the nearest one is 'messages'",
      raised(function()
        return turn.mesages
      end)
    )
    assert.equal(
      "a turn has no field 'model', the nearest one is 'model_name'",
      raised(function()
        turn.model = "x"
      end)
    )
    assert.matches("^a turn has no field 'zzzzzzzzzz'; it has data, files,",
      raised(function()
        return turn.zzzzzzzzzz
      end))
  end)

  it("lets fields be changed at their moment only", function()
    turn.model_name = "other"
    assert.equal("other", shown.values.model_name)
    assert.equal("turn.title can be changed in before_llm only",
      raised(function()
        turn.title = "t"
      end))
    shown.moment = "before_llm"
    turn.title = "t"
    assert.equal("t", turn.title)
    assert.equal("turn.model_name can be changed in before_turn only",
      raised(function()
        turn.model_name = "m"
      end))
    shown.moment = "later"
    assert.equal("turn.options can be changed in before_turn and before_llm "
      .. "only", raised(function()
      turn.options = {}
    end))
    assert.equal("turn.user_id cannot be changed", raised(function()
      turn.user_id = 8
    end))
    turn.data.seen = true
    assert.is_true(turn.data.seen)
  end)

  it("refuses values of other types", function()
    assert.equal("turn.model_name must be a string, not a nil",
      raised(function()
        turn.model_name = nil
      end))
    assert.equal("turn.tool_choice must be a string or a table, not a boolean",
      raised(function()
        turn.tool_choice = true
      end))
    turn.tools = nil
    assert.is_true(shown.set.tools)
  end)

  it("shows a request, with headers whatever their case", function()
    local origin = turn_view.request(tide.request({
      headers = { ["X-Team"] = "blue" },
    }))
    assert.equal("0123456789abcdef", origin.id)
    assert.equal("127.0.0.1", origin.address)
    assert.equal("blue", origin.headers["x-team"])
    assert.is_nil(origin.headers.other)
    assert.is_nil(turn_view.request(nil))
  end)
end)

describe("lib.near_name", function()
  it("finds the nearest name, and none that is far off", function()
    tide.install()
    local near_name = require "lib.near_name"
    local names = { "messages", "message", "model_name", "title" }
    assert.equal("messages", near_name.find("mesages", names))
    assert.equal("message", near_name.find("mesage", names))
    assert.equal("title", near_name.find("titel", names))
    assert.is_nil(near_name.find("colour", names))
    assert.is_nil(near_name.find("", names))
  end)
end)
