--- What plugins are promised: api_1.txt lists every function of tide.*, every
--- method and every hook. Whoever removes or renames one breaks plugins; what
--- is new is promised from the day on which it is in the list.

local LIST = "tests/lua/api_1.txt"

--- The names in the annotations: "function chat.ask(question) end".
local function annotated()
  local names, modules = {}, {}
  for _, path in ipairs(checkout.files("lua/types")) do
    local text = checkout.read(path)
    local module = text:match("^%-%-%-@meta (tide%.[%w_]+)")
    local base = path:match("([%w_]+)%.lua$")
    for name in text:gmatch("\n%-%-%-@field ([%w_]+)%? tide%.Hook|") do
      names["Hooks." .. name] = true
    end
    for name in text:gmatch("\nfunction ([%w_.:]+)%(") do
      names[name] = true
      if module and name:find("^" .. base .. "%.") then
        modules[name] = module
      end
    end
  end
  return names, modules
end

local function listed()
  local names = {}
  for line in checkout.read(LIST):gmatch("[^\n]+") do
    if not line:find("^#") then
      names[line] = true
    end
  end
  return names
end

describe("the API of plugins", function()
  local names, modules = annotated()
  local promised = listed()

  it("has everything that it had", function()
    for name in pairs(promised) do
      assert.is_true(names[name] or false, name .. " is promised and missing")
    end
  end)

  it("promises everything that it has", function()
    for name in pairs(names) do
      assert.is_true(promised[name] or false, "add to " .. LIST .. ": " .. name)
    end
  end)

  it("is there, and nothing else is in the modules of lua/tide", function()
    for name, module in pairs(modules) do
      local found = require(module)[name:match("%.(.+)$")]
      assert.equal("function", type(found), name)
    end
    for _, path in ipairs(checkout.files("lua/tide")) do
      local base = path:match("([%w_]+)%.lua$")
      for field in pairs(require("tide." .. base)) do
        assert.is_true(names[base .. "." .. field] or false,
          ("lua/types/%s.lua does not know %s"):format(base, field))
      end
    end
  end)
end)
