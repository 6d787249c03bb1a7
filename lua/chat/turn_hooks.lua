--- The hooks of a turn: what they are shown (chat/turn.lua), and how what they
--- change gets into it. Without hooks and tools nothing of this is done.

local errors = require "lib.errors"
local files = require "files.files"
local hooks = require "hooks"
local json = require "tide.json"
local log = require "tide.log"
local model_options = require "models.model_options"
local near_name = require "lib.near_name"
local personas = require "chat.personas"
local schema = require "web.schema"
local server_tools = require "tools"
local session_manager = require "chat.session_manager"
local tool_sets = require "chat.tools"
local turn_view = require "chat.turn"
local users = require "account.users"

local M = {}

local OPTIONS = model_options.field(model_options.deadlines_field())
local OPTIONS_ALONE = { fields = { OPTIONS } }

--- Whether somebody looks at turns.
---@return boolean
function M.is_needed()
  return turn_view.is_watched() or tool_sets.has_any(server_tools)
end

---@param value any
---@return any copy tables are new, however deep
local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local made = json.is_array(value) and json.array({}) or {}
  for key, member in pairs(value) do
    made[key] = copy(member)
  end
  return made
end

--- A stored session, as hooks see it.
---@param row table|nil of chat_sessions; nil: it begins with this turn
---@return tide.TurnSession|nil
local function session_of(row)
  return row
    and row.id
    and {
      session_id = row.session_id,
      title = row.title,
      model_name = row.model_name,
      persona = row.persona,
      message_count = row.message_count,
    }
end

--- The files of a new message.
---@param user_id integer
---@param ids integer[]|nil
---@return {id: integer, name?: string}[]
local function files_of(user_id, ids)
  local list = {}
  for i, id in ipairs(ids or {}) do
    local row = files.get_file_by_id(user_id, id)
    list[i] = { id = id, name = row and row.file_name }
  end
  return list
end

--- Fields that are made when a hook reads them.
---@param user_id integer
---@param request TurnRequest
---@return table<string, fun(): any>
local function lazy_fields(user_id, request)
  local req = request.req
  local row, looked
  local function stored()
    if not looked and request.session_id then
      row = session_manager.find(user_id, request.session_id)
    end
    looked = true
    return row
  end
  local function too_early()
    error("'messages' and 'title' of a turn are read behind before_turn: use "
      .. "before_llm", 3)
  end
  return {
    req = function()
      return turn_view.request(req)
    end,
    user = function()
      return req and req.user or users.get_user(user_id)
    end,
    session = function()
      return session_of(stored())
    end,
    first = function()
      return not stored() or stored().message_count == 0
    end,
    persona = function()
      local own = stored()
      local chosen = personas.choose(request.persona, own and own.persona)
      return chosen and chosen.name
    end,
    options = function()
      return copy(request.options or {})
    end,
    tools = function()
      return copy(request.tools)
    end,
    tool_choice = function()
      return request.tool_choice
    end,
    files = function()
      return files_of(user_id, request.file_ids)
    end,
    messages = too_early,
    title = too_early,
  }
end

--- What a hook has made of the options, as a request has them.
---@param given table
---@return ModelOptions|nil options, string|nil wrong
local function read_options(given)
  local known = {}
  for _, field in ipairs(OPTIONS.fields) do
    known[#known + 1] = field.name
  end
  for name in pairs(given) do
    local near = near_name.find(tostring(name), known)
    if near ~= name then
      return nil, ("turn.options has no '%s'%s; members of the body that only "
        .. "some services know go into extra_body"):format(tostring(name),
        near and (", the nearest one is '%s'"):format(near) or "")
    end
  end
  local ran, checked, invalid =
    pcall(schema.check, OPTIONS_ALONE, { options = given }, "en")
  if not ran then
    return nil, tostring(checked)
  end
  local options = checked and checked.options
  if options then
    options, invalid = model_options.read(options, "en")
  end
  local why = invalid and invalid.args or {}
  return options, ("turn.%s %s"):format(why.field, why.reason)
end

--- The options that a turn is left with. Wrong ones refuse it: nobody knows
--- whose they are, and the model would be asked for something else.
---@param shown ShownTurn
---@return ModelOptions|nil options nil and no error: there are none
---@return tide.Error|nil err hook_failed
local function options_of(shown)
  local given = shown.values.options
  if next(given) == nil then
    return nil
  end
  local options, wrong = read_options(given)
  if options then
    return options
  end
  local turn = shown.turn
  log.error("hooks left wrong options", {
    error = wrong,
    request_id = turn.req and turn.req.id,
    session_id = turn.session_id,
    user_id = turn.user_id,
  })
  return nil, errors.new("hook_failed")
end

---@param shown ShownTurn
---@param request TurnRequest changed
local function apply_tools(shown, request)
  local tools = shown.values.tools
  if tools or shown.set.tools then
    request.tools = tools and #tools > 0 and tools or nil
  end
  if shown.set.tool_choice then
    request.tool_choice = shown.values.tool_choice
  end
end

--- Puts what before_turn has changed into the request.
---@param shown ShownTurn changed: what depends on the request is read again
---@param request TurnRequest changed
---@return true|nil ok, tide.Error|nil err hook_failed
local function apply_to_request(shown, request)
  local values, lazy = shown.values, shown.lazy
  if values.model_name ~= request.model_name then
    request.chosen_model_name = request.model_name
    request.model_name = values.model_name
  end
  if shown.set.message then
    request.message = values.message
  end
  if shown.set.persona then
    request.persona = values.persona
  end
  if values.files then
    request.file_ids = {}
    for i, file in ipairs(values.files) do
      request.file_ids[i] = type(file) == "table" and file.id or file
    end
  end
  if values.options then
    local options, wrong = options_of(shown)
    if wrong then
      return nil, wrong
    end
    request.options = options
  end
  apply_tools(shown, request)
  values.persona, values.files = nil, nil
  values.options, values.tools, values.tool_choice = nil, nil, nil
  lazy.title = nil
  return true
end

--- Shows a turn to the hooks, and calls before_turn unless it goes on with a
--- reply. Only when it is needed.
---@async
---@param user_id integer
---@param request TurnRequest changed
---@param language "zh"|"en"
---@param continues? boolean
---@return ShownTurn|nil shown
---@return tide.Answer|tide.Error|nil answer the reply, which needs no model; or
--- the error: those of hooks, hook_failed
function M.begin(user_id, request, language, continues)
  local fixed = { messages = "are read behind before_turn: use before_llm" }
  if request.regenerate then
    fixed.message = "cannot be changed: it is stored already"
    fixed.files = fixed.message
  end
  local shown = turn_view.show({
    user_id = user_id,
    session_id = request.session_id,
    model_name = request.model_name,
    message = request.message or "",
    language = language,
  }, lazy_fields(user_id, request), fixed)
  if not hooks.before_turn or continues then
    return shown
  end
  local answer, refusal = hooks.before_turn(shown.turn)
  if refusal then
    return nil, refusal
  end
  local ok, wrong = apply_to_request(shown, request)
  if not ok then
    return nil, wrong
  end
  return shown, answer
end

---@class TurnSight what is known of a turn before the model is asked
---@field session SessionDraft
---@field persona Persona
---@field place TurnPlace
---@field title string
---@field file_ids integer[]
---@field messages? tide.Messages|tide.ChatMessage[] nil: no model is asked

--- Lets the turn be seen as it is before the model is asked, and calls
--- before_llm if one is asked.
---@async
---@param shown ShownTurn
---@param request TurnRequest changed
---@param sight TurnSight changed: title and messages
---@return tide.Answer|nil answer instead of the model's
---@return tide.Error|nil err those of hooks, hook_failed
function M.before_llm(shown, request, sight)
  local values, lazy = shown.values, shown.lazy
  local session, messages = sight.session, sight.messages
  shown.moment, shown.fixed, shown.set = "before_llm", {}, {}
  values.model_name = request.model_name
  values.persona, values.message = sight.persona.name, sight.place.message
  values.title, values.first = sight.title, session.message_count == 0
  lazy.session = function()
    return session_of(session)
  end
  values.session = nil
  lazy.options = function()
    local stored = model_options.stored(session.options)
    return copy(model_options.merge(stored, request.options) or {})
  end
  lazy.files = function()
    local list = {}
    for i, file in ipairs(sight.place.files or {}) do
      list[i] = { id = sight.file_ids[i], name = file.name }
    end
    return list
  end
  local fields = lazy_fields(values.user_id, request)
  lazy.tools, lazy.tool_choice = fields.tools, fields.tool_choice
  lazy.messages = function()
    return type(messages) == "userdata" and messages:tables() or messages
  end
  local answer, refusal
  if hooks.before_llm and messages then
    answer, refusal = hooks.before_llm(shown.turn)
    if refusal then
      return nil, refusal
    end
  end
  shown.moment = "later"
  sight.title, sight.messages = values.title, values.messages or messages
  if values.options then
    local options, wrong = options_of(shown)
    if wrong then
      return nil, wrong
    end
    request.options, request.has_all_options = options, true
  end
  apply_tools(shown, request)
  return answer
end

return M
