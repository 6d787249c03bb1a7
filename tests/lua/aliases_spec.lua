local tide = require "tests.lua.support.tide"

--- Whether there is a file of lua/ for a module.
local function has_file(module)
  return checkout.read("lua/" .. module:gsub("%.", "/") .. ".lua")
end

describe("aliases", function()
  local aliases

  before_each(function()
    tide.install()
    aliases = require "aliases"
  end)

  it("leads from modules that are gone to modules that are there", function()
    for old, new in pairs(aliases.modules) do
      assert.is_nil(has_file(old), old)
      assert.truthy(has_file(new), new)
    end
  end)

  it("leads from fields of old modules to fields that are there", function()
    for module, fields in pairs(aliases.fields) do
      local now = assert(aliases.modules[module], module)
      for old, path in pairs(fields) do
        local new, field = path:match("^(.*)%.([%w_]+)$")
        assert.is_nil(rawget(require(now), old), module .. "." .. old)
        assert.is_not_nil(require(new)[field], path)
      end
    end
  end)
end)
