--- Joins the tables of hooks/ into one function a hook. A hook that nobody
--- defines is absent from the result, so that asking for it is all it costs.

local M = {}

---@param name string
---@param functions function[]
---@return function|nil joined nil when there are none
local function join_one(name, functions)
  if #functions == 0 then
    return nil
  end
  return M.joiners[name](functions)
end

--- The first answer counts.
local function join_on_request(functions)
  return function(req, route)
    for _, hook in ipairs(functions) do
      local response, err = hook(req, route)
      if response or err then
        return response, err
      end
    end
  end
end

--- Each gets what the one before it has made.
local function join_on_response(functions)
  return function(req, route, response, err)
    for _, hook in ipairs(functions) do
      local other, other_err = hook(req, route, response, err)
      if other or other_err then
        response, err = other, other_err
      end
    end
    return response, err
  end
end

--- The first that says how long to wait.
local function join_quota(functions)
  return function(use)
    for _, hook in ipairs(functions) do
      local seconds = hook(use)
      if seconds then
        return seconds
      end
    end
  end
end

--- The first refusal counts.
local function join_before_llm(functions)
  return function(turn)
    for _, hook in ipairs(functions) do
      local _, err = hook(turn)
      if err then
        return nil, err
      end
    end
    return true
  end
end

--- The first answer, or refusal, counts.
local function join_on_tool(functions)
  return function(turn, call)
    for _, hook in ipairs(functions) do
      local result, err = hook(turn, call)
      if result ~= nil or err then
        return result, err
      end
    end
  end
end

local function join_after_llm(functions)
  return function(turn, result)
    for _, hook in ipairs(functions) do
      hook(turn, result)
    end
  end
end

--- The filters that want to see a reply's text of one kind.
---@param functions function[]
---@param turn tide.HookTurn
---@param kind "content"|"reasoning"
---@return tide.DeltaFilter[]
local function filters_of(functions, turn, kind)
  local filters = {}
  for _, hook in ipairs(functions) do
    local filter = hook(turn, kind)
    if filter ~= nil and type(filter) ~= "function" then
      error("on_delta must return a function or nil, not a " .. type(filter))
    end
    filters[#filters + 1] = filter
  end
  return filters
end

--- One filter behind the other; what one holds back the next does not see.
local function join_on_delta(functions)
  return function(turn)
    local by_kind = {
      content = filters_of(functions, turn, "content"),
      reasoning = filters_of(functions, turn, "reasoning"),
    }
    if #by_kind.content + #by_kind.reasoning == 0 then
      return nil
    end
    return function(text, kind, final)
      for _, filter in ipairs(by_kind[kind]) do
        if text ~= "" or final then
          text = filter(text, final) or text
        end
      end
      return text
    end
  end
end

M.joiners = {
  on_request = join_on_request,
  on_response = join_on_response,
  quota = join_quota,
  before_llm = join_before_llm,
  on_delta = join_on_delta,
  on_tool = join_on_tool,
  after_llm = join_after_llm,
}

---@param parts table[] the tables of hooks/, in their order
---@return table<string, function[]>
local function functions_of(parts)
  local functions = {}
  for name in pairs(M.joiners) do
    functions[name] = {}
  end
  for i, part in ipairs(parts) do
    if type(part) ~= "table" then
      error(("hooks.lua: entry %d is a %s, not a table"):format(i, type(part)))
    end
    for name, list in pairs(functions) do
      local hook = part[name]
      if hook ~= nil and type(hook) ~= "function" then
        error(
          ("hooks.lua: %s of entry %d is a %s, not a function")
            :format(name, i, type(hook))
        )
      end
      list[#list + 1] = hook
    end
  end
  return functions
end

---@param joined tide.Hooks filled
---@param parts table[]
local function fill(joined, parts)
  joined.parts = parts
  for name, list in pairs(functions_of(parts)) do
    joined[name] = join_one(name, list)
  end
end

--- One table with a function for each hook that somebody defines; on_delta
--- takes the turn and returns what llm.start takes.
---@param parts table[] the tables of hooks/, in their order
---@return tide.Hooks
function M.join(parts)
  local joined = {}
  fill(joined, parts)
  return joined
end

--- Adds the hooks of plugins behind those that are joined already.
---@param joined tide.Hooks of M.join, changed
---@param parts table<string, function>[]
function M.extend(joined, parts)
  local all = table.move(joined.parts, 1, #joined.parts, 1, {})
  fill(joined, table.move(parts, 1, #parts, #all + 1, all))
end

return M
