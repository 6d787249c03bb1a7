--- What the `demo` model does with tools: it calls one when it must, or when
--- the question names it or its subject, and tells what came back. So programs
--- that use tools, and the suites that test servers, can be tried without a
--- key. Pure, and the same for the same conversation.

local demo_values = require "providers.demo_values"
local json = require "tide.json"
local text = require "tide.text"

local M = {}

--- Characters of a tool's result that are repeated.
local RESULT_LENGTH = 200

local RESULT = {
  en = "The tool answered: “{result}”",
  zh = "工具返回：“{result}”",
}

--- What tools do rather than what they are about; no subject of a question.
local VERBS = {
  add = true, call = true, check = true, create = true, delete = true,
  fetch = true, find = true, get = true, list = true, make = true, read = true,
  run = true, search = true, send = true, set = true, show = true, tool = true,
  update = true, use = true, write = true,
}

---@param tools table[]|nil as OpenAI has them
---@return {name: string, parameters?: table}[]
local function functions_of(tools)
  local functions = {}
  for _, tool in ipairs(type(tools) == "table" and tools or {}) do
    local described = type(tool) == "table" and tool["function"]
    if type(described) == "table" and type(described.name) == "string" then
      functions[#functions + 1] = described
    end
  end
  return functions
end

--- Whether a question has a word, however it ends ("calculator", "tides").
---@param lower string
---@param word string
---@return boolean
local function mentions(lower, word)
  local pattern = "%f[%w]" .. word:gsub("%p", "%%%0")
  return lower:find(pattern) ~= nil
end

--- The words of a tool's name that say what it is about.
---@param name string such as "get_weather" or "getWeather"
---@return string[]
local function subjects(name)
  local words = {}
  local apart = name:gsub("(%l)(%u)", "%1_%2"):lower()
  for word in apart:gmatch("[%w\x80-\xff]+") do
    if #word > 2 and not VERBS[word] then
      words[#words + 1] = word
    end
  end
  return words
end

--- The tools that a question asks for.
---@param question string
---@param functions {name: string}[]
---@return {name: string}[]
local function asked_for(question, functions)
  local lower, named = question:lower(), {}
  for _, one in ipairs(functions) do
    if lower:find(one.name:lower(), 1, true) then
      named[#named + 1] = one
    end
  end
  if #named > 0 then
    return named
  end
  for _, one in ipairs(functions) do
    for _, word in ipairs(subjects(one.name)) do
      if mentions(lower, word) then
        return { one }
      end
    end
  end
  return named
end

--- The name of the tool that a request insists on.
---@param choice any
---@return string|nil
local function name_of(choice)
  local named = type(choice) == "table" and choice["function"]
  return type(named) == "table" and named.name or nil
end

--- The tools to call.
---@param question string
---@param request {tools?: table[], tool_choice?: string|table, options?: table}
---@return {name: string, parameters?: table}[]
local function chosen(question, request)
  local functions, choice = functions_of(request.tools), request.tool_choice
  if choice == "none" then
    return {}
  end
  local name = name_of(choice)
  for _, one in ipairs(functions) do
    if one.name == name then
      return { one }
    end
  end
  local found = asked_for(question, functions)
  if #found == 0 and choice == "required" then
    found = { functions[1] }
  end
  local options = request.options or {}
  return options.parallel_tool_calls == false and { found[1] } or found
end

--- The calls that a question leads to, as lines of a reply.
---@param question string
---@param request {tools?: table[], tool_choice?: string|table, options?: table}
---@param place integer the number of messages before: ids differ by it
---@return string|nil tool_calls nil: none
function M.calls(question, request, place)
  local calls = json.array({})
  for i, one in ipairs(chosen(question, request)) do
    calls[i] = {
      index = i - 1,
      id = ("call_demo_%d_%d"):format(place, i),
      type = "function",
      ["function"] = {
        name = one.name,
        arguments = json.encode(demo_values.object(one.parameters)),
      },
    }
  end
  return #calls > 0 and json.encode(calls) .. "\n" or nil
end

--- The results that stand at a conversation's end.
---@param messages tide.Messages
---@return string[]
local function results_of(messages)
  local results = {}
  for i = #messages, 1, -1 do
    if messages:role(i) ~= "tool" then
      break
    end
    table.insert(results, 1, messages:content(i))
  end
  return results
end

--- What to say of tools' results.
---@param messages tide.Messages
---@param language "zh"|"en"
---@return string|nil answer nil: there are none to tell of
function M.answer(messages, language)
  local lines = {}
  for i, result in ipairs(results_of(messages)) do
    local short = text.prefix(result, RESULT_LENGTH)
    short = short == result and short or short .. "…"
    lines[i] = RESULT[language]:gsub("{result}", { ["{result}"] = short })
  end
  return #lines > 0 and table.concat(lines, "\n") or nil
end

--- The answer in the form that a request wants.
---@param answer string
---@param request {options?: table}
---@return string|nil
function M.formed(answer, request)
  local format = request.options and request.options.response_format
  local form = type(format) == "table" and format.type
  if form == "json_object" then
    return json.encode({ answer = answer })
  elseif form == "json_schema" then
    local described = format.json_schema
    return json.encode(
      demo_values.value(type(described) == "table" and described.schema)
    )
  end
  return nil
end

return M
