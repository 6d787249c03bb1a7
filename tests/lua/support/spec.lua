--- What a spec file is written with: describe, before_each, it and assert, as
--- elsewhere. Run by tests/lua/host.c, with what it gives: `read`, `files`,
--- `compile`, `print` and `loaded`, the table of loaded modules.
--- Returns how many tests there are so far and how many of these failed.

local host, path, count = ...

--- The globals of a spec, besides those of every script.
local environment = setmetatable({
  package = { loaded = host.loaded },
  checkout = { read = host.read, files = host.files },
}, { __index = _ENV })

--- Modules of lua/, or of the root of the checkout. They may be loaded again:
--- whoever takes one out of package.loaded gets it anew.
function environment.require(name)
  if host.loaded[name] ~= nil then
    return host.loaded[name]
  end
  local file = name:gsub("%.", "/") .. ".lua"
  local body = host.compile("lua/" .. file, environment)
    or host.compile(file, environment)
  if not body then
    error("module '" .. name .. "' not found", 2)
  end
  local module = body(name)
  host.loaded[name] = module
  return module
end

--- ---- assert

local function same(a, b)
  if a == b then
    return true
  elseif type(a) ~= "table" or type(b) ~= "table" then
    return false
  end
  for key, value in next, a do
    if not same(value, b[key]) then
      return false
    end
  end
  for key in next, b do
    if a[key] == nil then
      return false
    end
  end
  return true
end

local function show(value, depth)
  depth = depth or 0
  if type(value) == "string" then
    return ("%q"):format(value)
  elseif type(value) ~= "table" or depth > 4 then
    return tostring(value)
  end
  local parts = {}
  for key, item in next, value do
    local name = "[" .. show(key, depth + 1) .. "] = "
    parts[#parts + 1] = name .. show(item, depth + 1)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- An assertion of what `holds` says about its first `arity` arguments; one
--- more is a message.
local function assertion(text, arity, holds)
  return function(...)
    local values = { ... }
    if holds(values[1], values[2]) then
      return
    end
    local shown = {}
    for i = 1, arity do
      shown[i] = show(values[i])
    end
    local message = values[arity + 1]
    error(
      text:format(table.unpack(shown))
        .. (message ~= nil and " (" .. tostring(message) .. ")" or ""),
      2
    )
  end
end

local function is_a(wanted)
  return assertion("wanted a " .. wanted .. ", got %s", 1, function(value)
    return type(value) == wanted
  end)
end

local assertions = {
  equal = assertion("wanted %s, got %s", 2, function(a, b)
    return a == b
  end),
  not_equal = assertion("wanted not %s, got %s", 2, function(a, b)
    return a ~= b
  end),
  same = assertion("wanted the same as %s, got %s", 2, same),
  truthy = assertion("wanted something true, got %s", 1, function(value)
    return value
  end),
  falsy = assertion("wanted false or nil, got %s", 1, function(value)
    return not value
  end),
  is_true = assertion("wanted true, got %s", 1, function(value)
    return value == true
  end),
  is_false = assertion("wanted false, got %s", 1, function(value)
    return value == false
  end),
  is_nil = assertion("wanted nil, got %s", 1, function(value)
    return value == nil
  end),
  is_not_nil = assertion("wanted anything but nil", 1, function(value)
    return value ~= nil
  end),
  matches = assertion("wanted a text like %s, got %s", 2, function(pattern, s)
    return type(s) == "string" and s:find(pattern) ~= nil
  end),
  is_table = is_a("table"),
  is_function = is_a("function"),
  is_string = is_a("string"),
  is_number = is_a("number"),
}

--- That the function raises, and what, when that is told; without the place.
function assertions.has_error(fn, wanted)
  local ok, got = pcall(fn)
  if type(got) == "string" then
    got = got:gsub("^[^:]+:%d+: ", "")
  end
  if ok then
    error("wanted an error", 2)
  elseif wanted ~= nil and not same(wanted, got) then
    error("wanted the error " .. show(wanted) .. ", got " .. show(got), 2)
  end
end

environment.assert = setmetatable({}, {
  __index = function(_, name)
    return assertions[name] or error("no assertion 'assert." .. name .. "'", 2)
  end,
  __call = function(_, ...)
    return assert(...)
  end,
})

--- ---- describe

local block = { name = "" } -- the describe that is being read
local tests = {}

function environment.describe(name, body)
  block = { name = block.name .. name .. ": ", outer = block }
  body()
  block = block.outer
end

function environment.before_each(fn)
  assert(not block.before, "one before_each per describe")
  block.before = fn
end

function environment.it(name, body)
  tests[#tests + 1] = { name = block.name .. name, body = body, block = block }
end

--- The before_each of all describes around a test, the outermost first.
local function prepare(around)
  if around.outer then
    prepare(around.outer)
  end
  if around.before then
    around.before()
  end
end

(host.compile(path, environment) or error("no file " .. path))()

local failed = 0
for _, test in ipairs(tests) do
  local ok, message = pcall(function()
    prepare(test.block)
    test.body()
  end)
  count = count + 1
  host.print((ok and "ok " or "not ok ") .. count .. " - " .. test.name)
  if not ok then
    failed = failed + 1
    host.print("# " .. show(message):gsub("\n", "\n# "))
  end
end
return count, failed
