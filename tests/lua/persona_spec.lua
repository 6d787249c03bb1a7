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

describe("style.yaml", function()
  --- Names and prompts, as far as this file's own form goes: a list of `name`
  --- and of blocks.
  local function shipped()
    local list = {}
    for line in io.lines("style.yaml") do
      local name = line:match("^  %- name: (.+)$")
      if name then
        list[#list + 1] = { name = name, content = "" }
      elseif line:find("^      ") then
        local last = list[#list]
        last.content = last.content .. line:sub(7) .. "\n"
      end
    end
    return list
  end

  it("has at least five personas, in Chinese and in English", function()
    tide.install()
    local text = require "tide.text"
    local count = { zh = 0, en = 0 }
    local seen = {}
    for _, persona in ipairs(shipped()) do
      local language = text.has_cjk(persona.content) and "zh" or "en"
      count[language] = count[language] + 1
      assert.truthy(text.count(persona.content) > 100, persona.name)
      assert.is_nil(seen[persona.name], persona.name)
      seen[persona.name] = true
    end
    assert.is_true(count.zh + count.en >= 5)
    assert.is_true(count.zh >= 2)
    assert.is_true(count.en >= 2)
  end)
end)
