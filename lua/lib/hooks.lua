--- Joins the tables of hooks/ into one function a hook. A hook that nobody
--- defines is absent from the result, so that asking for it is all it costs.
---
--- A hook that fails is logged and takes nobody along: the others are called
--- all the same. What it would have decided is decided without it, unless it is
--- declared with `required = true`: then what it was asked about is refused.

local errors = require "lib.errors"
local log = require "tide.log"
local scripts = require "tide.scripts"

local M = {}

---@class HookEntry
---@field run function
---@field required boolean
---@field owner string whose it is, for the log
---@field plugin? string name of the plugin whose it is

--- ---- one hook

--- An error as it is logged: with file and line. One that was not raised by the
--- hook itself has those of the hook, as far as they are known.
---@param name string of the hook
---@param hook HookEntry
---@param message any
---@return string
local function with_place(name, hook, message)
  if type(message) ~= "string" then
    message = ("(the error value is a %s)"):format(type(message))
  end
  if message:find("^[^%s:]+:%d+:") or not hook.plugin then
    return message
  end
  local file = ("plugins/%s/plugin.lua"):format(hook.plugin)
  local line = scripts.line_of(file, "hooks", name)
  return ("%s:%d: %s"):format(file, line, message)
end

--- Logs a failure.
---@param name string of the hook
---@param hook HookEntry
---@param about tide.Turn|tide.Request|nil
---@param message any
local function tell(name, hook, about, message)
  local fields = {
    hook = name,
    owner = hook.owner,
    required = hook.required,
    error = with_place(name, hook, message),
  }
  local is_turn = type(about) == "table" and about.session_id ~= nil
  if is_turn then
    fields.request_id = about.req and about.req.id
    fields.session_id, fields.user_id = about.session_id, about.user_id
  elseif about then
    fields.request_id = about.id
    fields.user_id = about.user_id or about.user and about.user.id
  end
  log.error("hook failed", fields)
end

---@param name string
---@param hook HookEntry
---@param about tide.Turn|tide.Request|nil
---@param ran boolean of pcall
---@param ... any its results, or the error
---@return any ...
local function outcome(name, hook, about, ran, ...)
  if ran then
    return ...
  end
  tell(name, hook, about, (...))
  if hook.required then
    return nil, errors.new("hook_failed")
  end
end

--- What a hook returns; of one that failed nothing, or, if it is required, nil
--- and hook_failed.
---@param name string
---@param hook HookEntry
---@param about tide.Turn|tide.Request|nil for the log
---@param ... any its arguments
---@return any ...
local function call(name, hook, about, ...)
  return outcome(name, hook, about, pcall(hook.run, ...))
end

--- ---- one kind of hook, of several entries

--- The first answer, or refusal, counts.
---@param name string
---@param hooks HookEntry[]
---@param about? fun(...): any what of the arguments the log is about
local function first_of(name, hooks, about)
  return function(...)
    for _, hook in ipairs(hooks) do
      local value, err = call(name, hook, about and about(...), ...)
      if value ~= nil or err ~= nil then
        return value, err
      end
    end
  end
end

local function first_argument(argument)
  return argument
end

local function second_argument(_, argument)
  return argument
end

local function join_on_request(hooks)
  return first_of("on_request", hooks, first_argument)
end

--- Each gets what the one before it has made.
local function join_on_response(hooks)
  return function(req, route, response, err)
    for _, hook in ipairs(hooks) do
      local other, other_err =
        call("on_response", hook, req, req, route, response, err)
      if other or other_err then
        response, err = other, other_err
      end
    end
    return response, err
  end
end

local function join_quota(hooks)
  return first_of("quota", hooks, first_argument)
end

local function join_on_login(hooks)
  return first_of("on_login", hooks, second_argument)
end

local function join_on_tool(hooks)
  return first_of("on_tool", hooks, first_argument)
end

--- What a hook decides about a turn: nothing, an answer, or that it is refused.
--- Anything else is a mistake.
---@param answer any
---@param err any
---@return tide.Answer|nil, tide.Error|nil
local function check_decision(answer, err)
  if err ~= nil then
    if type(err) ~= "table" or not errors.all[err.code] then
      error("an error must be a table with a code that exists, such as "
        .. '{ code = "forbidden" }', 0)
    end
    return nil, err
  elseif answer == nil then
    return nil
  elseif type(answer) ~= "table" or type(answer.answer) ~= "string" then
    error('must return nothing, { answer = "…" }, or nil and an error', 0)
  end
  for _, name in ipairs({ "reasoning", "finish_reason" }) do
    local value = answer[name]
    if value ~= nil and (type(value) ~= "string" or value == "") then
      error(("'%s' of an answer must be a text"):format(name), 0)
    end
  end
  return answer
end

--- The first answer, or refusal, counts.
---@param name "before_turn"|"before_llm"
local function join_deciding(name)
  return function(hooks)
    local checked = {}
    for i, hook in ipairs(hooks) do
      checked[i] = {
        owner = hook.owner,
        required = hook.required,
        plugin = hook.plugin,
        run = function(turn)
          return check_decision(hook.run(turn))
        end,
      }
    end
    return first_of(name, checked, first_argument)
  end
end

--- All are called, whatever the others do.
local function join_after_llm(hooks)
  return function(turn, result)
    for _, hook in ipairs(hooks) do
      call("after_llm", hook, turn, turn, result)
    end
  end
end

--- ---- on_delta

---@class RunningFilter
---@field hook HookEntry
---@field run tide.DeltaFilter|nil nil: it failed, or has ended the reply

--- The filters that want to see a reply's text of one kind.
---@param hooks HookEntry[]
---@param turn tide.Turn
---@param kind "content"|"reasoning"
---@return RunningFilter[]|nil filters, tide.Error|nil err a required one failed
local function filters_of(hooks, turn, kind)
  local filters = {}
  for _, hook in ipairs(hooks) do
    local filter, failed = outcome("on_delta", hook, turn, pcall(function()
      local made = hook.run(turn, kind)
      if made ~= nil and type(made) ~= "function" then
        error("on_delta must return a function or nil, not a " .. type(made), 0)
      end
      return made
    end))
    if failed then
      return nil, failed
    elseif filter then
      filters[#filters + 1] = { hook = hook, run = filter }
    end
  end
  return filters
end

--- Runs one filter. One that fails lets everything through from then on, unless
--- it is required: then the reply fails.
---@param filter RunningFilter changed
---@param turn tide.Turn
---@param text string
---@param final boolean
---@return string text, "stop"|nil stop, string|nil reason
local function run_filter(filter, turn, text, final)
  local ran, made, stop, reason = pcall(filter.run, text, final)
  if ran and made ~= nil and type(made) ~= "string" then
    ran, made = false, "a filter must return a text, not a " .. type(made)
  end
  if ran then
    filter.run = not stop and filter.run or nil
    return made or text, stop, reason
  end
  tell("on_delta", filter.hook, turn, made)
  if filter.hook.required then
    error(made, 0)
  end
  filter.run = nil
  return text
end

--- One filter behind the other; what one holds back the next does not see. When
--- one ends the reply, those behind it get its last text.
local function join_on_delta(hooks)
  return function(turn)
    local by_kind = {}
    for _, kind in ipairs({ "content", "reasoning" }) do
      local filters, failed = filters_of(hooks, turn, kind)
      if not filters then
        return nil, failed
      end
      by_kind[kind] = filters
    end
    if #by_kind.content + #by_kind.reasoning == 0 then
      return nil
    end
    return function(text, kind, final)
      local stop, reason
      for _, filter in ipairs(by_kind[kind]) do
        if filter.run and (text ~= "" or final) then
          local stops, why
          text, stops, why = run_filter(filter, turn, text, final)
          if stops and not stop then
            stop, reason = stops, why
          end
        end
      end
      return text, stop, reason
    end
  end
end

M.joiners = {
  on_request = join_on_request,
  on_response = join_on_response,
  on_login = join_on_login,
  quota = join_quota,
  before_turn = join_deciding("before_turn"),
  before_llm = join_deciding("before_llm"),
  on_delta = join_on_delta,
  on_tool = join_on_tool,
  after_llm = join_after_llm,
}

--- ---- all of them

--- What is wrong with a hook as it is declared.
---@param hook any a function, or { run = function, required = boolean }
---@return string|nil
function M.problem(hook)
  if type(hook) == "function" then
    return nil
  elseif type(hook) ~= "table" then
    return "is a " .. type(hook) .. ", not a function"
  elseif type(hook.run) ~= "function" then
    return "has no function 'run'"
  end
  for key, value in pairs(hook) do
    if key ~= "run" and key ~= "required" then
      return ("has the unknown field '%s'"):format(tostring(key))
    elseif key == "required" and type(value) ~= "boolean" then
      return "must have true or false as 'required'"
    end
  end
end

---@param parts table[] the tables of hooks/, in their order
---@param plugins table<integer, string> the names of the plugins whose they are
---@return table<string, HookEntry[]>
local function entries_of(parts, plugins)
  local entries = {}
  for name in pairs(M.joiners) do
    entries[name] = {}
  end
  for i, part in ipairs(parts) do
    if type(part) ~= "table" then
      error(("hooks.lua: entry %d is a %s, not a table"):format(i, type(part)))
    end
    for name, list in pairs(entries) do
      local hook = part[name]
      local wrong = hook ~= nil and M.problem(hook)
      if wrong then
        error(("hooks.lua: %s of entry %d %s"):format(name, i, wrong))
      elseif hook then
        local plain = type(hook) == "function"
        list[#list + 1] = {
          run = plain and hook or hook.run,
          required = not plain and hook.required or false,
          owner = plugins[i] and "plugin " .. plugins[i]
            or ("hooks.lua, entry %d"):format(i),
          plugin = plugins[i],
        }
      end
    end
  end
  return entries
end

---@param joined tide.Hooks filled
---@param parts table[]
---@param plugins table<integer, string>
local function fill(joined, parts, plugins)
  joined.parts = parts
  for name, list in pairs(entries_of(parts, plugins)) do
    joined[name] = #list > 0 and M.joiners[name](list) or nil
  end
end

--- One table with a function for each hook that somebody defines; on_delta
--- takes the turn and returns what llm.start takes, or nil and an error.
---@param parts table[] the tables of hooks/, in their order
---@return tide.Hooks
function M.join(parts)
  local joined = {}
  fill(joined, parts, {})
  return joined
end

--- Adds the hooks of plugins behind those that are joined already.
---@param joined tide.Hooks of M.join, changed
---@param parts table<string, function>[]
---@param names table<integer, string> of the plugins, by number of their part
function M.extend(joined, parts, names)
  local all = table.move(joined.parts, 1, #joined.parts, 1, {})
  local plugins = {}
  for i, part in ipairs(parts) do
    all[#all + 1] = part
    plugins[#all] = names[i]
  end
  fill(joined, all, plugins)
end

return M
