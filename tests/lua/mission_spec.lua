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

---@param path string
---@return string|nil text
local function read(path)
  local file = io.open(path)
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

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

--- The function in the module, or in the objects that its `new` makes.
local function find_function(file, name)
  local module = require(file:match("^lua/(.+)%.lua$"):gsub("/", "."))
  if module[name] or not module.new then
    return module[name]
  end
  return module.new(1, "en")[name]
end

--- All scripts of the server, as one text.
local function all_scripts()
  local parts = {}
  local list = io.popen("find lua -name '*.lua' ! -path 'lua/types/*'")
  for path in assert(list):lines() do
    parts[#parts + 1] = read(path)
  end
  assert(list):close()
  return table.concat(parts, "\n")
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
    local scripts = all_scripts():gsub("function [%w_]+[.:][%w_]+%(", "")
    for _, row in ipairs(rows()) do
      local called = scripts:find("[.:]" .. row.name .. "%f[^%w_]")
      assert.truthy(called, row.name .. " is called by nobody")
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
