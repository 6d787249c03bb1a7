-- Generates docs/lua-api.md from the annotations in lua/types/.
--
-- usage: lua5.4 scripts/lua_api.lua [--check]
--
-- With --check nothing is written: the script fails when the page is out of
-- date, when an annotation is incomplete, or when an example is not Lua.

local ROOT = arg[0]:match("^(.*)/scripts/[^/]*$") or "."
package.path = ROOT .. "/scripts/?.lua;" .. package.path
local annotations = require "annotations"

local PAGE = ROOT .. "/docs/lua-api.md"
local HEAD = [[
# The Lua API

The functions that the server offers to plugins and other scripts. What is here
stays as it is within `api = 1`: functions and members are added, none goes or
changes its meaning. `scripts/lua_api.lua` writes this page from `lua/types/`:
change those files, not this page. Editors with the Lua language server use them
for completion and checks (`require "tide.json"`).

- **Waits** means that the task is suspended until the answer is there, while
  others run. Such calls, and those marked "only in a task", work in handlers,
  timers and hooks that run in a task; while a module loads they raise "db.query
  cannot be called while a module loads", and where Lua cannot yield (inside
  `table.sort`, `string.gsub`) they raise too.
- Expected errors come back as `nil, err`, where `err` is a `tide.Error` whose
  `code` is a key of the error table (`lua/lib/errors_of/`). A handler may
  return it unchanged. A raised error is a mistake in the script.
- Times are in milliseconds and sizes in bytes, unless stated otherwise.
- Of Lua itself there are the basic functions, `table`, `string`, `math`, `utf8`
  and `coroutine`; `print` (in the log, and under `dev` on the standard output),
  `load` of text, `os.time`, `os.date`, `os.clock`, `os.difftime`,
  `debug.traceback`. There are no files, no processes and no bytecode. Globals
  cannot be set, and a name that does not exist raises; `_G` is a view of them.
- Plugins ([plugins.md](plugins.md)) may use all of this and the modules in
  their own folder. The modules of `lua/` are private: they change with every
  version, and `check` warns where a plugin requires one.
]]

local OTHERS = "## Types outside modules"

local function escape(text)
  return (text:gsub("|", "\\|"))
end

local function paragraph(out, text)
  if text and text ~= "" then
    out[#out + 1] = text .. "\n"
  end
end

--- "string|nil value" as "`string|nil` value".
local function signature(fn)
  local params = {}
  for i, param in ipairs(fn.params) do
    params[i] = param.name .. (param.optional and "?" or "")
  end
  return ("%s(%s)"):format(fn.name, table.concat(params, ", "))
end

local PHASES = {
  wait = "**Waits.** ",
  task = "",
  load = "",
  any = "",
}

local function put_function(out, fn)
  out[#out + 1] = "#### `" .. signature(fn) .. "`\n"
  paragraph(out, PHASES[fn.phase] .. fn.text)
  local lines = {}
  for _, param in ipairs(fn.params) do
    lines[#lines + 1] = ("- `%s`: `%s` %s"):format(
      param.name .. (param.optional and "?" or ""), param.type, param.text)
  end
  for _, value in ipairs(fn.returns) do
    if value.type == "nil" then
      lines[#lines + 1] = "- returns nothing"
    else
      local text = value.text ~= "" and ": " .. value.text or ""
      lines[#lines + 1] = ("- returns `%s` %s"):format(
        value.type, value.name .. text)
    end
  end
  for i, line in ipairs(lines) do
    lines[i] = line:gsub("%s+$", "")
  end
  paragraph(out, table.concat(lines, "\n"))
end

local function put_fields(out, fields)
  if #fields == 0 then
    return
  end
  local lines = { "| field | type | |", "|---|---|---|" }
  for _, field in ipairs(fields) do
    lines[#lines + 1] = ("| `%s`%s | `%s` | %s |"):format(
      field.name, field.optional and " (optional)" or "",
      escape(field.type), escape(field.text))
  end
  paragraph(out, table.concat(lines, "\n"))
end

local function put_class(out, class)
  out[#out + 1] = "#### `" .. class.name .. "`\n"
  paragraph(out, class.text)
  put_fields(out, class.fields)
  for _, fn in ipairs(class.methods) do
    put_function(out, fn)
  end
end

local function put_file(out, file)
  paragraph(out, file.text)
  if file.type then
    paragraph(out, "Its type is `" .. file.type .. "`.")
  end
  put_fields(out, file.fields or {})
  for _, fn in ipairs(file.functions) do
    put_function(out, fn)
  end
  for _, alias in ipairs(file.values) do
    out[#out + 1] = ("#### `%s`\n"):format(alias.name)
    paragraph(out, alias.comment)
    paragraph(out, ("`%s`"):format(alias.type))
  end
  for _, class in ipairs(file.classes) do
    put_class(out, class)
  end
end

local function make_page(files)
  local out = { HEAD }
  for _, file in ipairs(files) do
    if file.name then
      out[#out + 1] = "- [" .. file.name .. "](#" .. file.name:gsub("%.", "")
        .. ")"
    end
  end
  out[#out + 1] = ""
  for _, file in ipairs(files) do
    if file.name then
      out[#out + 1] = "## " .. file.name .. "\n"
      put_file(out, file)
    end
  end
  out[#out + 1] = OTHERS .. "\n"
  for _, file in ipairs(files) do
    if not file.name then
      out[#out + 1] = "### " .. file.path:match("([%w_]+)%.lua$") .. "\n"
      put_file(out, file)
    end
  end
  return (table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s*$", "\n"))
end

--- Examples may end in a return, but must be Lua.
local function check_examples(page, problems)
  for code in page:gmatch("```lua\n(.-)```") do
    local ok, err = load(code, "=example")
    if not ok then
      problems[#problems + 1] = err .. ":\n" .. code
    end
  end
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

local files, problems = annotations.read(ROOT .. "/lua/types")
for _, file in ipairs(files) do
  if file.name and not (file.text or ""):find("```lua\n") and not file.type then
    problems[#problems + 1] = file.path .. ":1: has no example"
  end
end
local page = make_page(files)
check_examples(page, problems)
if arg[1] == "--check" and read(PAGE) ~= page then
  problems[#problems + 1] =
    "docs/lua-api.md is stale: run lua5.4 scripts/lua_api.lua"
elseif arg[1] ~= "--check" then
  local file = assert(io.open(PAGE, "wb"))
  file:write(page)
  file:close()
end
if #problems > 0 then
  io.stderr:write(table.concat(problems, "\n"), "\n")
  os.exit(1)
end
