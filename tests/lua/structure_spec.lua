--- Which module requires which, read from the files.

--- Module -> the modules that it requires.
local function requires()
  local modules = {}
  for _, path in ipairs(checkout.files("lua")) do
    local name = path:match("^lua/(.*)%.lua$")
    if name and not name:find("^types/") then
      name = name:gsub("/", ".")
      modules[name] = {}
      local text = checkout.read(path)
      for module in text:gmatch('require[ (]+"([%w_.]+)"') do
        table.insert(modules[name], module)
      end
    end
  end
  return modules
end

--- Adds everything that a module requires, itself or through others.
local function reach(modules, name, reached)
  for _, module in ipairs(modules[name] or {}) do
    if not reached[module] then
      reached[module] = true
      reach(modules, module, reached)
    end
  end
  return reached
end

describe("the modules of lua/", function()
  local modules = requires()

  it("lets no part of a session know the session manager", function()
    local manager = "chat.session_manager"
    assert.truthy(#modules[manager] > 5)
    for part in pairs(reach(modules, manager, {})) do
      local reached = reach(modules, part, {})
      assert.is_nil(reached[manager], part .. " requires " .. manager)
    end
  end)

  it("lets the shared folders know no feature", function()
    local features = { account = 1, chat = 1, files = 1, models = 1 }
    for name, required in pairs(modules) do
      local folder = name:match("^(%w+)%.")
      if ({ lib = 1, policy = 1, providers = 1, web = 1 })[folder] then
        for _, module in ipairs(required) do
          local feature = module:match("^(%w+)%.")
          assert.is_nil(features[feature], name .. " requires " .. module)
        end
      end
    end
  end)
end)
