-- Generates the routes in docs/api.md from the route tables in lua/.
--
-- usage: lua5.4 scripts/api_page.lua [--check]
--
-- The text above the mark in that page is written by hand and is not touched.
-- With --check nothing is written: the script fails when the page is out of
-- date, or when a public route does not say what it answers. The scripts are
-- loaded from the repository's root; what a function of the core gives them
-- while they load does not matter here, so it is an empty table, except for the
-- names of the files that are there.

package.path = "./lua/?.lua;" .. package.path
table.insert(package.searchers, 2, function(name)
  local module = setmetatable({}, {
    __index = function(_, key)
      return type(key) == "string" and function()
        return {}
      end or nil
    end,
  })
  return name:find("^tide%.") and function()
    return module
  end
end)
package.loaded["tide.scripts"] = {
  names = function(folder)
    local names = {}
    for path in assert(io.popen("ls lua/" .. folder .. "/*.lua")):lines() do
      names[#names + 1] = path:match("([^/]+)%.lua$")
    end
    return names
  end,
  plugins = function()
    return {}
  end,
}
package.loaded["tide.plugin_settings"] = {
  names = function()
    return {}
  end,
  define = function() end,
}
local app = require "app"

local PAGE = "docs/api.md"
local MARK = "<!-- made by scripts/api_page.lua of the route tables in lua/: "
  .. "change those files -->\n"

local HEAD = "| field | type | |\n|---|---|---|"

--- A group of routes for each beginning of paths, in this order; the first that
--- fits has it.
local GROUPS = {
  { "Models and personas", "^/api/models", "^/api/personas" },
  { "API configurations", "^/api/user/apis" },
  { "Conversations", "^/api/chat" },
  { "Files", "^/api/files" },
  { "Keys and usage", "^/api/keys", "^/api/usage" },
  { "OpenAI's clients", "^/v1/" },
  { "Accounts", "" },
}

--- What a pattern of fields.lua means to a reader.
local PATTERNS = {
  ["^[%w.-]+$"] = "letters, digits, `.` and `-`",
  ["^[^%c]*$"] = "one line",
  ["^[A-Za-z0-9_-]+$"] = "letters, digits, `-` and `_`",
}

local problems = {}

--- What these modules have as *_schema has a line each and is named elsewhere:
--- the list of its fields (the very table) -> name.
local NAMES, NAMED = {}, {}
for _, module in ipairs({
  "account.objects", "chat.objects", "files.objects", "models.objects",
  "web.pages",
}) do
  for key, schema in pairs(require(module)) do
    local name = key:match("^([%w_]+)_schema$")
    if name and name ~= "account" and schema.type == "object" then
      NAMES[schema.fields] = name
      NAMED[#NAMED + 1] = { name = name, fields = schema.fields }
    end
  end
end
table.sort(NAMED, function(a, b)
  return a.name < b.name
end)

--- "{id: integer, tags: [string], usage: usage}" of a schema.
local function shape(schema, whole)
  if schema.type == "array" then
    return "[" .. shape(schema.items) .. "]"
  elseif schema.type ~= "object" then
    return schema.type
  elseif NAMES[schema.fields] and not whole then
    return NAMES[schema.fields]
  end
  local fields = {}
  for i, field in ipairs(schema.fields or {}) do
    fields[i] = field.name .. ": " .. shape(field)
  end
  return #fields > 0 and "{" .. table.concat(fields, ", ") .. "}" or "object"
end

local UNITS = { string = " characters", array = " items", integer = "" }

--- "1 to 100", "at most 50 characters", or nil.
local function bounds(schema)
  local min, max = schema.min, schema.max
  local unit = UNITS[schema.type]
  if min and max then
    return ("%d to %d%s"):format(min, max, unit)
  elseif max then
    return ("at most %d%s"):format(max, unit)
  end
  return min and ("at least %d%s"):format(min, unit)
end

--- What a field must be besides its type.
local function rules(field, route)
  local list = { field.required and "required" or nil }
  list[#list + 1] = bounds(field)
  if field.pattern and not PATTERNS[field.pattern] then
    problems[#problems + 1] = ("%s %s: scripts/api_page.lua has no words "
      .. "for the pattern %s"):format(route.method, route.path, field.pattern)
  end
  list[#list + 1] = PATTERNS[field.pattern]
  if field.enum then
    list[#list + 1] = "one of `" .. table.concat(field.enum, "`, `") .. "`"
  end
  if field.default ~= nil then
    list[#list + 1] = ("default `%s`"):format(field.default)
  end
  if field.clamp then
    list[#list + 1] = "moved into these bounds"
  end
  if field.aliases then
    list[#list + 1] = "also `" .. table.concat(field.aliases, "`, `") .. "`"
  end
  return table.concat(list, ", ")
end

local function put_fields(out, title, schema, route)
  if not schema or #(schema.fields or {}) == 0 then
    return
  end
  out[#out + 1] = title .. "\n\n" .. HEAD
  for _, field in ipairs(schema.fields) do
    local row = ("| `%s` | `%s` | %s |"):format(
      field.name, shape(field), rules(field, route))
    out[#out + 1] = (row:gsub("|  |$", "| |"))
  end
  out[#out + 1] = ""
end

--- What a route asks of its caller.
local function access(route)
  if route.auth == "none" then
    return "No token."
  end
  local text = route.api_keys and "Token or personal API key" or "Token"
  return text .. (route.auth == "admin" and " of an admin." or ".")
    .. (route.idempotent and " Supports `Idempotency-Key`." or "")
end

--- How large a body may be.
local function body_limit(route)
  local max = route.body_max
  local text = "`limits.body`"
  if max then
    local mega = max % (1 << 20) == 0
    text = ("%d %s"):format(max // (mega and 1 << 20 or 1 << 10),
      mega and "MiB" or "KiB")
  end
  return ("Body, JSON, at most %s%s"):format(text,
    #(route.request.fields or {}) > 0 and ":" or ".")
end

local function put_route(out, route)
  if not route.response and not route.answer then
    problems[#problems + 1] = ("%s %s: has neither `response` nor `answer`")
      :format(route.method, route.path)
  end
  out[#out + 1] = ("### %s %s\n"):format(route.method, route.path)
  out[#out + 1] = route.summary .. ". " .. access(route) .. "\n"
  put_fields(out, "In the path:", route.params, route)
  put_fields(out, "In the query:", route.query, route)
  if route.request and #(route.request.fields or {}) > 0 then
    put_fields(out, body_limit(route), route.request, route)
  elseif route.request then
    out[#out + 1] = body_limit(route) .. "\n"
  end
  put_fields(out, "Body, multipart/form-data, beside the part `file`:",
    route.form, route)
  local answer = route.response and "`" .. shape(route.response) .. "`"
    or route.answer
  out[#out + 1] = "Answers 200: " .. (answer or "") .. "\n"
end

local function fits(group, path)
  for i = 2, #group do
    if path:find(group[i]) then
      return true
    end
  end
  return false
end

--- The public routes of each group, in the order of their tables.
local function grouped()
  local lists = {}
  for _, route in ipairs(app.routes) do
    for i, group in ipairs(GROUPS) do
      if route.listener ~= "admin" and fits(group, route.path) then
        lists[i] = lists[i] or {}
        table.insert(lists[i], route)
        break
      end
    end
  end
  return lists
end

local function put_objects(out)
  out[#out + 1] = "## Objects\n\n| name | |\n|---|---|"
  for _, object in ipairs(NAMED) do
    out[#out + 1] = ("| `%s` | `%s` |"):format(object.name,
      shape({ type = "object", fields = object.fields }, true))
  end
end

local function make_routes()
  local out, lists = { MARK }, grouped()
  for i = 1, #GROUPS do
    local group = GROUPS[i]
    if lists[i] then
      out[#out + 1] = "## " .. group[1] .. "\n"
      for _, route in ipairs(lists[i]) do
        put_route(out, route)
      end
    end
  end
  put_objects(out)
  return (table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s*$", "\n"))
end

local file = assert(io.open(PAGE, "rb"))
local page = file:read("a")
file:close()
local start = page:find(MARK, 1, true)
if not start then
  io.stderr:write(PAGE, " has lost the line ", MARK)
  os.exit(1)
end
local wanted = page:sub(1, start - 1) .. make_routes()
if arg[1] == "--check" and wanted ~= page then
  problems[#problems + 1] =
    "docs/api.md is stale: run lua5.4 scripts/api_page.lua"
elseif arg[1] ~= "--check" then
  file = assert(io.open(PAGE, "wb"))
  file:write(wanted)
  file:close()
end
if #problems > 0 then
  io.stderr:write(table.concat(problems, "\n"), "\n")
  os.exit(1)
end
