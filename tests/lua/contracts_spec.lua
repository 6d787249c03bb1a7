local tide = require "tests.lua.support.tide"

describe("contracts", function()
  local contracts

  before_each(function()
    tide.install()
    contracts = require "checks.contracts"
  end)

  local function wrong_with(name, change)
    local policy = {}
    for key, value in pairs(require(name)) do
      policy[key] = value
    end
    change(policy)
    return contracts.check_policy(name, policy)
  end

  it("are kept by the policies that are there", function()
    assert.same({}, contracts.check())
  end)

  it("want every function", function()
    local wrong = wrong_with("policy.title", function(policy)
      policy.from_message = nil
    end)
    assert.same({
      {
        message = "policy/title.lua:1: from_message must be a function, "
          .. "not a nil",
      },
    }, wrong)
  end)

  it("want results of the right type, and tell which function", function()
    local function number()
      return 5
    end
    local wrong = wrong_with("policy.title", function(policy)
      policy.from_message = number
    end)
    assert.same({
      {
        message = "from_message must return a string, not a number",
        at = number,
      },
    }, wrong)
    wrong = wrong_with("policy.disconnect", function(policy)
      policy.choose = number
    end)
    assert.equal(
      "choose must return one of detach, cancel, not 5",
      wrong[1].message
    )
  end)

  it("want messages that are messages", function()
    for _, result in ipairs({ 5, {}, { { role = "user" } } }) do
      local wrong = wrong_with("policy.context", function(policy)
        policy.build = function()
          return result
        end
      end)
      assert.matches("^build m.* m", wrong[1].message)
    end
  end)

  it("tell a function that fails", function()
    local wrong = wrong_with("policy.persona", function(policy)
      policy.names = function(personas)
        return personas.x.y
      end
    end)
    assert.matches("^names fails: .*attempt to index", wrong[1].message)
  end)

  it("want a table", function()
    assert.equal(
      "policy/title.lua:1: must return a table of functions",
      contracts.check_policy("policy.title", 5)[1].message
    )
  end)
end)
