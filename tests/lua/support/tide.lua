--- What stands for the modules of the core that would do something outside of
--- the script: a spec says what they answer. All others are the core's own.
---   require("tests.lua.support.tide").install()
--- Every install starts from clean modules.

local M = {}

--- The core's own modules, before a spec puts something in their places. Those
--- of lua/tide/ are scripts.
local CORE = {}
for path, module in pairs(package.loaded) do
  local name = path:match("^tide%.(.+)$")
  if name and not checkout.read("lua/tide/" .. name .. ".lua") then
    CORE[name] = module
  end
end

--- A module whose functions raise when a test reaches them unprepared.
local function unprepared(name)
  return setmetatable({}, {
    __index = function(_, key)
      return function()
        error(name .. "." .. key .. " is not prepared in this test", 2)
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
  plugin = true,
  policy = true,
  providers = true,
  web = true,
}

--- Only what the core has can stand for it.
local function check(name, module)
  for key, value in next, module do
    if type(value) == "function" and not (CORE[name] and CORE[name][key]) then
      error("the core has no tide." .. name .. "." .. key, 3)
    end
  end
end

--- Puts the stand-ins in place and forgets the server's modules.
---@param given? table<string, table> "db" -> its functions, over the defaults
---@param settings? table<string, any> of config.get
function M.install(given, settings)
  for name in pairs(package.loaded) do
    if
      FOLDERS[name:match("^(%w+)%.")]
      or name:find("^tide%.")
      or name:find("^hooks")
      or name == "tools"
      or name == "app"
    then
      package.loaded[name] = nil
    end
  end
  local modules = {
    config = {
      get = function(key)
        local value = (settings or {})[key]
        if value == nil then
          error("setting " .. key .. " is not prepared in this test", 2)
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
    -- No plugin has settings.
    plugin_settings = {
      names = function()
        return {}
      end,
      define = function() end,
    },
    personas = {
      { name = "First", content = "You are the first." },
      { name = "Second", content = "You are the second." },
    },
  }
  for _, name in ipairs({
    "db", "search", "crypto", "time", "log", "llm", "file_store", "http",
    "task",
  }) do
    modules[name] = unprepared("tide." .. name)
  end
  -- Modules declare their timers as they load.
  modules.timer = {
    every = function() end,
  }
  for name, module in pairs(given or {}) do
    modules[name] = module
  end
  if not rawget(modules.llm, "check_provider") then
    modules.llm.check_provider = function() end
  end
  modules.db.id_of = CORE.db.id_of -- only makes a value
  for name, module in pairs(CORE) do
    package.loaded["tide." .. name] = module
  end
  for name, module in pairs(modules) do
    check(name, module)
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
    from_listed_origin = spec.from_listed_origin or false,
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
    credentials = function()
      local header = headers.authorization
      if header then
        return header:match("^[Bb]earer +(%S+) *$"), false
      end
      local cookie = (spec.cookies or {}).access_token
      return cookie ~= "" and cookie or nil, (cookie or "") ~= ""
    end,
    raw_body = function()
      return spec.body or ""
    end,
    read_json = function(_, schema)
      local body = (spec.body or "") ~= "" and spec.body or "{}"
      return CORE.schema.read(schema, body)
    end,
    read_query = function(_, schema)
      return CORE.schema.check_texts(schema, spec.query or {})
    end,
    read_form = function(_, schema)
      return CORE.schema.check_texts(schema, spec.fields or {})
    end,
  }
end

return M
