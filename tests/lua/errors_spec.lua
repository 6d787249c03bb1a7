local tide = require "tests.lua.support.tide"

--- All files under a folder whose names match.
local function files(folder, pattern)
  local list = {}
  for _, path in ipairs(checkout.files(folder)) do
    if path:find(pattern) then
      list[#list + 1] = path
    end
  end
  table.sort(list)
  return list
end

local function read(path)
  return assert(checkout.read(path), path)
end

--- How the core names a code.
local CORE_PATTERNS = {
  'tt_err_set%(%s*[^,;]-,%s*[^,;]-,%s*"([a-z0-9_]+)"',
  'refuse[a-z_]*%([^;"]-"([a-z0-9_]+)"',
  "[^_]fail%([^;\"]-\"([a-z0-9_]+)\"",
  '%*code = "([a-z0-9_]+)"',
}

--- Whose fail() takes a text of one word, which is no code.
local WITHOUT_CODES = { ["core/base/json_check.c"] = true }

describe("lib.errors", function()
  local errors

  before_each(function()
    tide.install()
    errors = require "lib.errors"
  end)

  it("has status and both texts for every code", function()
    for code, entry in pairs(errors.all) do
      assert.truthy(code:find("^[a-z][a-z0-9_]*$"), code)
      assert.is_true(#code < 40, code) -- struct tt_err
      assert.is_true(entry.status >= 400 and entry.status < 600, code)
      assert.truthy(entry.en:find("%.$"), code)
      assert.truthy(entry.zh:find("。$"), code)
      assert.truthy(utf8.len(entry.zh), code)
    end
  end)

  it("has the same placeholders in both languages", function()
    local function placeholders(text)
      local found = {}
      for name in text:gmatch("{(%w+_?%w*)}") do
        found[#found + 1] = name
      end
      table.sort(found)
      return found
    end
    for code, entry in pairs(errors.all) do
      assert.same(placeholders(entry.en), placeholders(entry.zh), code)
    end
  end)

  it("raises on a code that it does not know", function()
    assert.has_error(function()
      errors.new("no_such_code")
    end)
  end)

  it("says how to authenticate with every 401", function()
    local headers = errors.new("invalid_token").headers
    assert.same({ ["WWW-Authenticate"] = "Bearer" }, headers)
    assert.is_nil(errors.new("csrf").headers)
  end)

  it("has every code that the scripts use", function()
    local seen = 0
    for _, path in ipairs(files("lua", "%.lua$")) do
      for code in read(path):gmatch('errors%.new%(%s*"([^"]+)"') do
        seen = seen + 1
        assert.truthy(errors.all[code], path .. ": " .. code)
      end
    end
    assert.is_true(seen > 20)
  end)

  it("has every code that the core sets", function()
    local missing = {}
    for _, path in ipairs(files("core", "%.[ch]$")) do
      local source = WITHOUT_CODES[path] and "" or read(path)
      for _, pattern in ipairs(CORE_PATTERNS) do
        for code in source:gmatch(pattern) do
          if not errors.all[code] then
            missing[#missing + 1] = path .. ": " .. code
          end
        end
      end
    end
    assert.same({}, missing)
  end)
end)
