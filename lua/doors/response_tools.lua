--- The tools of OpenAI's Responses, as a chat completion has them: functions.
--- Those of a namespace get its name before their own, and a custom tool
--- becomes a function with one text, its input. The core turns calls back
--- (core/chat/responses_tools.h). Pure.
--- Source: https://platform.openai.com/docs/guides/function-calling

local errors = require "lib.errors"
local json = require "tide.json"

local M = {}

--- Tools that only OpenAI's servers run, and that a model need not use. Beside
--- a client's own tools they are left out, which the response's `tools` shows;
--- alone they are refused, because nothing would be left of the request.
--- Programs such as Codex have them in each request.
local HOSTED = {
  image_generation = true,
  tool_search = true,
  web_search = true,
  web_search_2025_08_26 = true,
  web_search_preview = true,
  web_search_preview_2025_03_11 = true,
}

---@class ResponseTools
---@field asked table[] as a chat completion has them
---@field shown table[] as a response shows them
---@field choice any of a chat completion
---@field shown_choice any of a response
---@field by_name table<string, integer> place in `asked`

---@param value any
---@return any value nil for null
local function present(value)
  return value ~= json.null and value or nil
end

---@param value any
---@return boolean
local function is_list(value)
  return json.is_raw(value) and value:type() == "array"
end

--- The name by which a model calls a tool.
---@param space any a namespace, if it is a text
---@param name string
---@return string
function M.called(space, name)
  if type(space) ~= "string" then
    return name
  end
  return space .. (space:sub(-2) == "__" and "" or "__") .. name
end

--- Adds a function; of one name the last one counts.
---@param tools ResponseTools changed
---@param asked table
local function add(tools, asked)
  local place = tools.by_name[asked.name] or #tools.asked + 1
  tools.by_name[asked.name] = place
  tools.asked[place] = { type = "function", ["function"] = asked }
end

--- What a tool is called and is for, for a model.
---@param tool tide.Raw
---@param place string
---@param space string|nil
---@return table|nil asked, tide.Error|nil err missing_field
local function named(tool, place, space)
  local name, description = tool:members("name", "description")
  if type(name) ~= "string" then
    return nil, errors.new("missing_field", { field = place .. ".name" })
  end
  return { name = M.called(space, name), description = present(description) }
end

--- Tools by their type: each adds what it is to the tools, under a place and
--- perhaps in a namespace, and returns what is shown, or nil and an error.
---@type table<string, function>
local READERS = {}

READERS["function"] = function(tools, tool, place, space)
  local asked, err = named(tool, place, space)
  if not asked then
    return nil, err
  end
  local parameters, strict = tool:members("parameters", "strict")
  asked.parameters = present(parameters)
  asked.strict = strict ~= json.null and strict or nil
  add(tools, asked)
  return {
    type = "function",
    name = tool:get("name"),
    description = asked.description or json.null,
    parameters = asked.parameters or json.null,
    strict = strict == nil and json.null or strict,
  }
end

--- How a custom tool's input is to be written, as a model is told.
---@param format any
---@return string|nil
local function grammar_of(format)
  if not json.is_raw(format) or format:get("type") ~= "grammar" then
    return nil
  end
  local syntax, definition = format:members("syntax", "definition")
  return type(definition) == "string"
      and ("The input must match this %s grammar:\n%s"):format(
        type(syntax) == "string" and syntax or "",
        definition
      )
    or nil
end

function READERS.custom(tools, tool, place, space)
  local asked, err = named(tool, place, space)
  if not asked then
    return nil, err
  end
  local grammar = grammar_of(tool:get("format"))
  asked.parameters = {
    type = "object",
    properties = {
      input = {
        type = "string",
        description = grammar or "The whole input, as plain text",
      },
    },
    required = { "input" },
    additionalProperties = false,
  }
  add(tools, asked)
  return tool
end

--- Adds the tools of a list.
---@param tools ResponseTools changed
---@param list tide.Raw
---@param place string
---@param space string|nil
---@return tide.Raw|nil skipped the first one that is left out
---@return tide.Error|nil err unsupported_type, missing_field
local function add_list(tools, list, place, space)
  local skipped
  for i, tool in list:each() do
    local where = ("%s[%d]"):format(place, i)
    local kind = json.is_raw(tool) and tool:get("type")
    local read = READERS[kind]
    if read and not (space and kind == "namespace") then
      local shown, err = read(tools, tool, where, space)
      if not shown then
        return nil, err
      end
      if not space then
        tools.shown[#tools.shown + 1] = shown
      end
    else
      local refused = errors.new("unsupported_type", {
        field = where,
        type = type(kind) == "string" and kind or "?",
      })
      if not HOSTED[kind] then
        return nil, refused
      end
      skipped = skipped or refused
    end
  end
  return skipped
end

function READERS.namespace(tools, tool, place)
  local name, list = tool:members("name", "tools")
  if type(name) ~= "string" then
    return nil, errors.new("missing_field", { field = place .. ".name" })
  elseif not is_list(list) then
    return nil, errors.new("missing_field", { field = place .. ".tools" })
  end
  local _, err = add_list(tools, list, place .. ".tools", name)
  return not err and tool or nil, err
end

--- The name that a choice has for one tool.
---@param choice any
---@return string
local function chosen(choice)
  if not json.is_raw(choice) then
    return ""
  end
  local space, name = choice:members("namespace", "name")
  return M.called(space, type(name) == "string" and name or "")
end

--- Keeps the tools that a choice allows.
---@param tools table[] of a chat completion
---@param choice tide.Raw
---@return table[]
local function allowed(tools, choice)
  local names, kept = {}, json.array({})
  for _, tool in choice:get("tools"):each() do
    names[chosen(tool)] = true
  end
  for _, tool in ipairs(tools) do
    if names[tool["function"].name] then
      kept[#kept + 1] = tool
    end
  end
  return kept
end

--- Which tool the model is to call.
---@param tools ResponseTools changed
---@param choice tide.Raw|nil
---@return true|nil ok, tide.Error|nil err unsupported_type
local function read_choice(tools, choice)
  tools.shown_choice = choice or "auto"
  if not choice or choice:type() == "string" then
    tools.choice = choice
    return true
  end
  local kind = choice:get("type")
  if kind == "function" or kind == "custom" then
    tools.choice = {
      type = "function",
      ["function"] = { name = chosen(choice) },
    }
    return true
  elseif kind == "allowed_tools" and is_list(choice:get("tools")) then
    tools.choice = choice:get("mode")
    tools.asked = allowed(tools.asked, choice)
    return true
  end
  return nil,
    errors.new("unsupported_type", {
      field = "tool_choice",
      type = type(kind) == "string" and kind or "?",
    })
end

--- What a request offers to the model.
---@param list tide.Raw|nil of the request
---@param more ToolsOfItem[] that its items add
---@param choice tide.Raw|nil
---@return ResponseTools|nil tools
---@return tide.Error|nil err unsupported_type, missing_field
function M.read(list, more, choice)
  local tools =
    { asked = json.array({}), shown = json.array({}), by_name = {} }
  local lists = { { list = list, place = "tools" } }
  table.move(more, 1, #more, 2, lists)
  local skipped
  for _, one in ipairs(lists) do
    local left_out, err
    if one.list then
      left_out, err = add_list(tools, one.list, one.place)
    end
    if err then
      return nil, err
    end
    skipped = skipped or left_out
  end
  if skipped and #tools.asked == 0 then
    return nil, skipped
  end
  local ok, refused = read_choice(tools, choice)
  if not ok then
    return nil, refused
  end
  return tools
end

return M
