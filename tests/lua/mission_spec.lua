local tide = require "tests.lua.support.tide"

local TABLE = "docs/mission.md"

--- Functions of the mission by part, in its order: a row that is lost from the
--- table is told as well.
local MISSION = {
  ["chat service"] = "create_chat_session save_chat_message get_chat_messages "
    .. "get_chat_sessions get_chat_session delete_chat_session "
    .. "update_session_title",
  ["LLM session"] = "set_session_id get_messages send_message "
    .. "send_message_stream set_system_prompt",
  ["user API service"] = "create_api get_api_by_id get_api_by_name "
    .. "get_api_by_model_name get_user_apis update_api delete_api "
    .. "test_api_connection get_first_available_api",
  ["file service"] = "save_file get_files_by_session get_file_by_id "
    .. "delete_file process_file_content",
  ["persona manager"] = "get_persona_content get_available_personas "
    .. "set_default_persona get_default_persona",
  ["cache service"] = "cache_chat_session get_cached_chat_session "
    .. "cache_model_config cache_full_session get_cached_full_session",
  ["session manager"] = "get_or_create_session get_session save_message "
    .. "delete_session get_available_personas",
}

local read = checkout.read

---@return {part: string, name: string, file: string, tests: string[][]}[]
local function rows()
  local list = {}
  local pattern = "^| ([^|]+) | `([^`]+)` | `([^`]+)` | (.-) |$"
  for line in assert(read(TABLE)):gmatch("[^\n]+") do
    local part, name, file, cell = line:match(pattern)
    if part then
      local tests = {}
      for test in (cell .. "<br>"):gmatch("(.-)<br>") do
        tests[#tests + 1] = { test:match("^`([^`]+)`: (.+)$") }
      end
      list[#list + 1] =
        { part = part, name = name, file = file, tests = tests }
    end
  end
  return list
end

local function module_of(file)
  return (file:match("^lua/(.+)%.lua$"):gsub("/", "."))
end

--- The function in the module, or in the objects that its `new` makes.
---@return function|nil found
---@return boolean is_method
local function find_function(file, name)
  local module = require(module_of(file))
  if module[name] or not module.new then
    return module[name], false
  end
  return module.new(1, "en")[name], true
end

--- The server's own scripts without comments and definitions: path -> text.
local function scripts()
  local texts = {}
  for _, path in ipairs(checkout.files("lua")) do
    if
      path:find("%.lua$")
      and not path:find("^lua/types/")
      and not path:find("^lua/tests/")
    then
      texts[path] = read(path)
        :gsub("%-%-%[(=*)%[.-%]%1%]", "")
        :gsub("%-%-[^\n]*", "")
        :gsub("function [%w_]+[.:][%w_]+%(", "")
    end
  end
  return texts
end

--- What a script calls the module that is in `file`, nil when it does not use
--- it.
local function alias_in(path, text, file)
  if path == file then
    return "M"
  end
  local module = module_of(file):gsub("%p", "%%%0")
  return text:match("local ([%w_]+) = require %(?[\"']" .. module .. "[\"']")
end

--- Whether some script calls the row's function: `alias.name(`, or of an
--- object `:name(` where the script makes objects with `alias.new(`.
local function is_called(texts, row, is_method)
  local call = row.name .. "%("
  for path, text in pairs(texts) do
    local alias = alias_in(path, text, row.file)
    if alias then
      local by_module = text:find("%f[%w_]" .. alias .. "%." .. call)
      local by_object = is_method
        and text:find("%f[%w_]" .. alias .. "%.new%(")
        and text:find("[%w_%)]:" .. call)
      if by_object or by_module and not is_method then
        return true
      end
    end
  end
  return false
end

describe("docs/mission.md", function()
  it("has every row", function()
    local found = {}
    for _, row in ipairs(rows()) do
      found[row.part] = (found[row.part] and found[row.part] .. " " or "")
        .. row.name
    end
    assert.same(MISSION, found)
  end)

  it("names functions that are there", function()
    for _, row in ipairs(rows()) do
      tide.install()
      local found = find_function(row.file, row.name)
      assert.equal("function", type(found), row.file .. ": " .. row.name)
    end
  end)

  it("names functions that the server itself calls", function()
    local texts = scripts()
    for _, row in ipairs(rows()) do
      tide.install()
      local _, is_method = find_function(row.file, row.name)
      assert.is_true(
        is_called(texts, row, is_method),
        row.file .. ": " .. row.name .. " is called by nobody"
      )
    end
  end)

  it("tells a call from what only looks like one", function()
    local row = { file = "lua/chat/chat.lua", name = "save" }
    local use = 'local chat = require "chat.chat"\n'
    for text, expected in pairs({
      [use .. "chat.save(1)"] = true,
      [use .. "other.save(1)"] = false,
      [use .. "my_chat.save(1)"] = false,
      [use .. "chat.save_all(1)"] = false,
      [use .. "chat:save(1)"] = false,
      ["chat.save(1)"] = false,
    }) do
      local texts = { ["lua/routes/x.lua"] = text }
      assert.equal(expected, is_called(texts, row, false), text)
    end
    row.name = "talk"
    local made = use .. "local a = chat.new(1)\n"
    for text, expected in pairs({
      [made .. "a:talk()"] = true,
      [made .. "a.talk()"] = false,
      [use .. "a:talk()"] = false,
    }) do
      local texts = { ["lua/routes/x.lua"] = text }
      assert.equal(expected, is_called(texts, row, true), text)
    end
  end)

  it("names tests that are there", function()
    for _, row in ipairs(rows()) do
      assert.truthy(row.tests[1], row.name)
      for _, test in ipairs(row.tests) do
        local path, title = table.unpack(test)
        assert.truthy(path, row.name)
        local text = read(path)
        assert.truthy(text, path .. " is missing")
        assert.truthy(text:find(title, 1, true), path .. ": " .. title)
      end
    end
  end)
end)
