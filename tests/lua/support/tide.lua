--- Small fakes of the tide.* modules for tests of pure parts: enough to load
--- and run policies, schemas and providers without the core. Use:
---   require("tests.lua.support.tide").install()
--- from the repository's root. Every install starts from clean modules.

local cjson = require "cjson"

local M = {}

local IS_ARRAY = cjson.array_mt or {}
local EMPTY = "\1empty array"

--- Puts something into empty arrays, where cjson would lose what they are.
local function fill_empty_arrays(s)
  local parts, at = {}, 1
  while at <= #s do
    local text = s:match('^"[^"\\]*', at)
    local stop
    if text then
      stop = at + #text
      while s:sub(stop, stop) == "\\" do
        stop = stop + 2 + #s:match('^[^"\\]*', stop + 2)
      end
    else
      stop = select(2, s:find("^%[%s*%]", at))
      text = stop and '["\\u0001empty array"]'
      stop = stop or at
    end
    parts[#parts + 1] = text and text:sub(1, 1) == "[" and text
      or s:sub(at, stop)
    at = stop + 1
  end
  return table.concat(parts)
end

--- cjson turns integers into floats and marks no arrays; the core does both.
local function fix(value)
  if type(value) == "number" then
    return math.tointeger(value) or value
  elseif type(value) == "table" then
    for k, v in pairs(value) do
      value[k] = fix(v)
    end
    if value[1] == EMPTY then
      value[1] = nil
      setmetatable(value, IS_ARRAY)
    elseif value[1] ~= nil then
      setmetatable(value, IS_ARRAY)
    end
  end
  return value
end

local function fake_json()
  local json = { null = cjson.null }
  function json.decode(s)
    local ok, value = pcall(cjson.decode, fill_empty_arrays(s))
    if not ok then
      return nil, { code = "invalid_json", status = 400 }
    end
    return fix(value)
  end
  function json.encode(value)
    return cjson.encode(value)
  end
  function json.array(t)
    return setmetatable(t or {}, IS_ARRAY)
  end
  function json.is_array(t)
    return getmetatable(t) == IS_ARRAY or t[1] ~= nil
  end
  return json
end

local function fake_text()
  local text = {}
  function text.count(s)
    return assert(utf8.len(s))
  end
  function text.prefix(s, n)
    local stop = utf8.offset(s, n + 1)
    return stop and s:sub(1, stop - 1) or s
  end
  function text.tokens(s)
    return math.ceil(#s / 4)
  end
  function text.truncate(s, n)
    local stop = #s > n and utf8.offset(s, 0, n + 1) or #s + 1
    return s:sub(1, stop - 1)
  end
  function text.valid(s)
    return utf8.len(s) ~= nil
  end
  function text.has_cjk(s)
    for _, c in utf8.codes(s) do
      if c >= 0x3400 and c <= 0x9FFF or c >= 0x20000 and c <= 0x3FFFF then
        return true
      end
    end
    return false
  end
  return text
end

--- The files that are there.
local function fake_scripts()
  local scripts = {}
  function scripts.names(folder)
    local names = {}
    local list = assert(io.popen("ls lua/" .. folder .. "/*.lua"))
    for line in list:lines() do
      names[#names + 1] = line:match("([^/]+)%.lua$")
    end
    list:close()
    return names
  end
  return scripts
end

--- A module whose functions raise when a test reaches them unprepared.
local function unprepared(name)
  return setmetatable({}, {
    __index = function(_, key)
      return function()
        error(name .. "." .. key .. " is not faked in this test", 2)
      end
    end,
  })
end

local FOLDERS = {
  account = true,
  chat = true,
  checks = true,
  doors = true,
  files = true,
  lib = true,
  models = true,
  policy = true,
  providers = true,
  tide = true,
  web = true,
}

--- Puts the fakes in place and forgets the server's modules.
---@param fakes? table<string, table> "db" -> its functions, over the defaults
---@param settings? table<string, any> of config.get
function M.install(fakes, settings)
  for name in pairs(package.loaded) do
    if
      FOLDERS[name:match("^(%w+)%.")]
      or name:find("^hooks")
      or name == "app"
    then
      package.loaded[name] = nil
    end
  end
  if not package.path:find("./lua/?.lua", 1, true) then
    package.path = "./lua/?.lua;" .. package.path
  end
  local modules = {
    json = fake_json(),
    text = fake_text(),
    config = {
      get = function(key)
        local value = (settings or {})[key]
        if value == nil then
          error("setting " .. key .. " is not faked in this test", 2)
        end
        return value
      end,
    },
    -- Modules make their dictionaries as they load.
    shared = {
      dict = function()
        return {}
      end,
    },
    -- Keeps nothing, as a cache may.
    cache = {
      get = function() end,
      put = function() end,
      delete = function() end,
      is_shared = function()
        return false
      end,
    },
    personas = {
      { name = "First", content = "You are the first." },
      { name = "Second", content = "You are the second." },
    },
  }
  for _, name in ipairs({
    "db", "search", "crypto", "time", "log", "llm", "files", "http", "task",
    "timer",
  }) do
    modules[name] = unprepared("tide." .. name)
  end
  modules.scripts = fake_scripts()
  for name, fake in pairs(fakes or {}) do
    modules[name] = fake
  end
  if not rawget(modules.llm, "check_provider") then
    rawset(modules.llm, "check_provider", function() end)
  end
  for name, module in pairs(modules) do
    package.loaded["tide." .. name] = module
  end
end

--- A request as the core gives it.
---@param spec table method, path, headers, cookies, body, params, query
---@return table
function M.request(spec)
  local headers = {}
  for name, value in pairs(spec.headers or {}) do
    headers[name:lower()] = value
  end
  return {
    id = "0123456789abcdef",
    method = spec.method or "GET",
    path = spec.path or "/",
    ip = "127.0.0.1",
    language = spec.language or "en",
    secure = spec.secure or false,
    params = spec.params or {},
    query = spec.query or {},
    generation = 1,
    header = function(_, name)
      return headers[name:lower()]
    end,
    cookie = function(_, name)
      return (spec.cookies or {})[name]
    end,
    raw_body = function()
      return spec.body or ""
    end,
    read_json = function(_, names)
      if (spec.body or "") == "" then
        return {}
      end
      local value, err = fake_json().decode(spec.body)
      for name in pairs(names and type(value) == "table" and value or {}) do
        value[name] = names[name] and value[name]
      end
      return value, err
    end,
  }
end

return M
