local tide = require "tests.lua.support.tide"

describe("lib.arguments", function()
  local arguments

  before_each(function()
    tide.install()
    arguments = require "lib.arguments"
  end)

  local FIELDS = { user = "integer", text = "string|table", more = "boolean?" }

  --- What a function of a plugin is told that calls another one so.
  local function told(given)
    local function called()
      arguments.check("chat.ask", given, FIELDS)
    end
    local _, message = pcall(function()
      called()
    end)
    return message
  end

  it("takes what fits", function()
    assert.is_nil(told({ user = 1, text = "a" }))
    assert.is_nil(told({ user = 1, text = {}, more = false }))
  end)

  it("names what does not, with the place of the call", function()
    for message, given in pairs({
      ["chat.ask takes a table, not a string"] = "x",
      ["'usr' is no member; there are more, text, user"] = {
        user = 1, text = "", usr = 2,
      },
      ["'user' must be of type integer, not nil"] = { text = "" },
      ["'user' must be of type integer, not float"] = { user = 1.5, text = "" },
      ["'text' must be of type string or table, not integer"] = {
        user = 1, text = 2,
      },
      ["'more' must be of type boolean, not string"] = {
        user = 1, text = "", more = "yes",
      },
    }) do
      assert.matches(message, told(given))
      assert.matches("arguments_spec.lua:%d+:", told(given))
    end
  end)

  it("checks a single argument alike", function()
    local ok, message =
      pcall(arguments.check_one, "users.get", "user", "1", "integer")
    assert.is_false(ok)
    assert.matches("users.get: user must be of type integer, not string",
      message)
    assert.is_true(pcall(arguments.check_one, "a", "b", nil, "string?"))
  end)
end)
