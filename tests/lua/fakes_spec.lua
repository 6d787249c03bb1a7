-- The fakes of the core's modules know nothing that the core does not, so that
-- a spec cannot pass with a function that is not there.
local tide = require "tests.lua.support.tide"

package.path = "./scripts/?.lua;" .. package.path
local annotations = require "annotations"

--- The real names: {"text.prefix" = true, …}, and the modules.
local function real()
  local names, modules = {}, {}
  for line in annotations.names("lua/types"):gmatch("[^\n]+") do
    local kind, name = line:match("^(%a+) ([%w_%.:]+)")
    if kind == "module" then
      modules[name] = true
    else
      names[name] = true
    end
  end
  return names, modules
end

describe("the fakes", function()
  before_each(function()
    tide.install()
  end)

  it("have only functions that are in lua/types", function()
    local names = real()
    local seen = 0
    for module, fake in pairs(package.loaded) do
      local base = module:match("^tide%.([%w_]+)$")
      for key, value in next, base and fake or {} do
        if type(value) == "function" then
          assert.is_true(names[base .. "." .. key], base .. "." .. key)
          seen = seen + 1
        end
      end
    end
    assert.is_true(seen > 10)
  end)

  it("stand for every module but those of the tests themselves", function()
    local _, modules = real()
    modules["tide.test"] = nil
    for name in pairs(modules) do
      assert.is_table(package.loaded[name], name)
    end
  end)

  it("cut texts as the core does", function()
    local text = require "tide.text"
    for _, case in ipairs({
      { "潮水", 3, "潮" }, { "潮水", 5, "潮" }, { "潮水", 6, "潮水" },
      { "潮水", 2, "" }, { "abc", 2, "ab" }, { "", 0, "" }, { "潮", 9, "潮" },
    }) do
      assert.equal(case[3], text.truncate(case[1], case[2]))
    end
  end)
end)
