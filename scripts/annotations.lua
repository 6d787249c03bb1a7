-- Reads the annotations of lua/types/ (LuaCATS, one file a module) into tables,
-- and reports what is missing in them. For scripts/lua_api.lua, which
-- makes a page of them, and for the test that compares them with the real
-- modules. It knows only the forms that are used there.

local M = {}

--- Where a function may be called: by "@async" and by sentences of its text.
local function phase_of(fn)
  if fn.async then
    return "wait"
  elseif fn.text:find("Only%s+in%s+a%s+task%.") then
    return "task"
  elseif fn.text:find("Only%s+while%s+a%s+module%s+loads%.") then
    return "load"
  end
  return "any"
end

--- The comment lines before a declaration: text, and tags with what follows.
local function new_block()
  return { text = {}, tags = {} }
end

local function add_comment(block, line)
  local tag, rest = line:match("^%-%-%-@(%a+)%s*(.*)$")
  local last = block.tags[#block.tags]
  if tag then
    block.tags[#block.tags + 1] = { name = tag, text = rest }
  elseif last then
    last.text = last.text .. " " .. line:match("^%-%-%-%s*(.*)$")
  else
    block.text[#block.text + 1] = line:match("^%-%-%- ?(.*)$")
  end
end

local function tags(block, name)
  local found = {}
  for _, tag in ipairs(block.tags) do
    if tag.name == name then
      found[#found + 1] = tag.text
    end
  end
  return found
end

--- The end of a type at the start of a text: spaces within brackets, after a
--- colon, a comma, "|" or "async" belong to it.
local function type_end(text)
  local depth, at = 0, 1
  while at <= #text do
    local c = text:sub(at, at)
    if c == '"' then
      at = text:find('"', at + 1, true) or #text
    elseif c:find("[%(%{%[<]") then
      depth = depth + 1
    elseif c:find("[%)%}%]>]") then
      depth = depth - 1
    elseif
      c == " "
      and depth == 0
      and not text:find("^[:,|]", at - 1)
      and text:sub(at - 5, at - 1) ~= "async"
    then
      return at - 1
    end
    at = at + 1
  end
  return #text
end

--- "name? type description"
local function read_field(text)
  local name, optional, rest = text:match("^([%w_%.%[%]]+)(%??)%s+(.*)$")
  if not name then
    return nil
  end
  local stop = type_end(rest)
  return {
    name = name,
    optional = optional == "?",
    type = rest:sub(1, stop),
    text = rest:sub(stop + 2),
  }
end

--- "type name description"
local function read_return(text)
  local stop = type_end(text)
  local name, rest = text:sub(stop + 2):match("^([%w_%.]*)%s*(.*)$")
  return { type = text:sub(1, stop), name = name, text = rest }
end

local function read_class(block, where, report)
  local name, parent = tags(block, "class")[1]:match("^([%w_%.]+)%s*(.*)$")
  local class = {
    name = name,
    parent = parent,
    text = table.concat(block.text, "\n"),
    fields = {},
    methods = {},
  }
  for _, text in ipairs(tags(block, "field")) do
    local field = read_field(text)
    if field then
      class.fields[#class.fields + 1] = field
    else
      report(where, "a field needs name and type: " .. text)
    end
  end
  return class
end

local function check_function(fn, signature, where, report)
  if fn.text == "" then
    report(where, fn.name .. " says nothing about what it does")
  end
  if #fn.returns == 0 then
    report(where, fn.name .. " has no @return; nothing is \"nil\"")
  end
  for _, value in ipairs(fn.returns) do
    if value.type == "" or value.text:find("^,") then
      report(where, fn.name .. ": a line for each @return")
    end
  end
  local names = {}
  for i, param in ipairs(fn.params) do
    names[i] = param.name
  end
  if table.concat(names, ", ") ~= signature then
    report(where, ("%s(%s) has @param for (%s)"):format(
      fn.name, signature, table.concat(names, ", ")))
  end
end

local function read_function(block, owner, mark, name, signature, at)
  local fn = {
    name = owner .. mark .. name,
    text = table.concat(block.text, "\n"),
    async = #tags(block, "async") > 0,
    params = {},
    returns = {},
  }
  for _, text in ipairs(tags(block, "param")) do
    fn.params[#fn.params + 1] = read_field((text:gsub("^%.%.%.", "VARARG")))
      or { name = text }
    local last = fn.params[#fn.params]
    last.name = last.name == "VARARG" and "..." or last.name
  end
  for _, text in ipairs(tags(block, "return")) do
    fn.returns[#fn.returns + 1] = read_return(text)
  end
  fn.phase = phase_of(fn)
  check_function(fn, signature, at.where, at.report)
  return fn
end

--- Reads one file.
---@param path string
---@param report fun(where: string, what: string)
---@return table file {name, text, classes = {…}, functions = {…}, values = {…}}
local function read_file(path, report)
  local file = { path = path, functions = {}, classes = {}, values = {} }
  local class_of, block, number = {}, new_block(), 0
  local base = path:match("([%w_]+)%.lua$")

  local function close_class(where, variable)
    if #tags(block, "class") == 0 then
      return
    end
    local class = read_class(block, where, report)
    if file.name and class.name == file.name then
      file.text, file.fields = class.text, class.fields
    else
      file.classes[#file.classes + 1] = class
    end
    if variable then
      class_of[variable] = class
    end
  end

  for line in io.lines(path) do
    number = number + 1
    local where = path .. ":" .. number
    local owner, mark, name, signature =
      line:match("^function (%a[%w_]*)([%.:])([%w_]+)%((.-)%) end$")
    local variable = line:match("^local ([%w_]+) = {}$")
    if line:find("^%-%-%-@meta") then
      file.name = line:match("^%-%-%-@meta (tide%.[%w_]+)$")
    elseif line:find("^%-%-%-") then
      add_comment(block, line)
    elseif owner then
      local class = class_of[owner]
      local is_module = class and class.name == file.name
      local shown = is_module and base or class and class.name or owner
      local fn = read_function(block, shown, mark, name, signature,
        { where = where, report = report })
      if not class then
        report(where, owner .. " is no class of this file")
      else
        local list = is_module and file.functions or class.methods
        list[#list + 1] = fn
      end
      block = new_block()
    elseif variable then
      close_class(where, variable)
      if file.name and #tags(block, "type") > 0 then
        file.text = table.concat(block.text, "\n")
        file.type = tags(block, "type")[1]
      end
      block = new_block()
    elseif line == "" then
      close_class(where)
      for _, text in ipairs(tags(block, "alias")) do
        local alias = read_field(text)
        alias.comment = table.concat(block.text, "\n")
        file.values[#file.values + 1] = alias
      end
      if not file.name and not file.text and #block.tags == 0 then
        file.text = table.concat(block.text, "\n")
      end
      block = new_block()
    elseif line:find("^return ") then
      file.returns = line:match("^return ([%w_]+)$")
    else
      report(where, "not understood: " .. line)
    end
  end
  close_class(path)
  if file.name and file.name ~= "tide." .. base then
    report(path .. ":1", "its module is tide." .. base)
  end
  if file.name and file.returns ~= base then
    report(path .. ":" .. number, "must end with: return " .. base)
  end
  return file
end

--- Reads all files of a folder, in the order of their names.
---@param folder string
---@return table[] files
---@return string[] problems "file:line: message"
function M.read(folder)
  local files, problems, paths = {}, {}, {}
  local list = assert(io.popen("ls '" .. folder .. "'/*.lua"))
  for path in list:lines() do
    paths[#paths + 1] = path
  end
  list:close()
  for _, path in ipairs(paths) do
    files[#files + 1] = read_file(path, function(where, what)
      problems[#problems + 1] = where .. ": " .. what
    end)
  end
  return files, problems
end

--- Whether a module is written in Lua: lua/tide/ has a file for it.
local function is_script(file)
  local script = io.open((file.path:gsub("/types/([^/]*)$", "/tide/%1")))
  if script then
    script:close()
  end
  return script ~= nil
end

--- What must be there in the core, one a line: "function json.decode any",
--- "field json.null", "method tide.Task:join wait". What lua/tide/ has is
--- compared by tests/lua/api_spec.lua.
---@param folder string
---@return string lines
---@return string problems
function M.names(folder)
  local files, problems = M.read(folder)
  local lines = {}
  for _, file in ipairs(files) do
    local base = file.path:match("([%w_]+)%.lua$")
    local functions = is_script(file) and {} or file.functions
    for _, fn in ipairs(functions) do
      lines[#lines + 1] = ("function %s %s"):format(fn.name, fn.phase)
    end
    for _, field in ipairs(file.fields or {}) do
      lines[#lines + 1] = ("field %s.%s"):format(base, field.name)
    end
    for _, class in ipairs(file.classes) do
      for _, fn in ipairs(class.methods) do
        lines[#lines + 1] = ("method %s %s"):format(fn.name, fn.phase)
      end
    end
    if file.name and not is_script(file) then
      lines[#lines + 1] = "module " .. file.name
    end
  end
  return table.concat(lines, "\n") .. "\n", table.concat(problems, "\n")
end

return M
