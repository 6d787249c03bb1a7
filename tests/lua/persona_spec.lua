local tide = require "tests.lua.support.tide"

describe("policy.persona", function()
  local persona
  local list = {
    { name = "A", content = "a" },
    { name = "乙", content = "b" },
  }

  before_each(function()
    tide.install()
    persona = require "policy.persona"
  end)

  it("takes the first when none is named", function()
    assert.equal("A", persona.choose(list, nil, nil).name)
    assert.equal("A", persona.choose(list, "", nil).name)
    assert.equal("A", persona.choose(list, "", "").name)
  end)

  it("stays with the session's own", function()
    assert.equal("乙", persona.choose(list, nil, "乙").name)
    assert.equal("乙", persona.choose(list, "", "乙").name)
  end)

  it("switches when one is named", function()
    assert.equal("A", persona.choose(list, "A", "乙").name)
  end)

  it("falls back to the first when the stored one is gone", function()
    assert.equal("A", persona.choose(list, nil, "gone").name)
  end)

  it("knows which may be named", function()
    assert.is_true(persona.known(list, nil))
    assert.is_true(persona.known(list, ""))
    assert.is_true(persona.known(list, "乙"))
    assert.is_false(persona.known(list, "a"))
  end)

  it("lists names in file order", function()
    assert.same({ "A", "乙" }, persona.names(list))
  end)
end)
