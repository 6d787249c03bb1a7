--- `check` knows which functions wait from a list in the core.

local SOURCE = "core/script/source_waits.c"

--- The functions of tide.* that are annotated with @async.
local function annotated()
  local names = {}
  for _, path in ipairs(checkout.files("lua/types")) do
    local waits = false
    for line in checkout.read(path):gmatch("[^\n]+") do
      local name = line:match("^function ([%w_]+%.[%w_]+)%(")
      if line:find("^%-%-%-@async") then
        waits = true
      elseif not line:find("^%-%-%-") then
        if name and waits and not name:find("^test%.") then
          names[#names + 1] = name
        end
        waits = false
      end
    end
  end
  table.sort(names)
  return names
end

describe("check", function()
  it("knows what waits", function()
    local names = {}
    local list = checkout.read(SOURCE):match("waiting%[%] = {(.-)};")
    for name in list:gmatch('"([^"]+)"') do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same(annotated(), names)
  end)
end)
