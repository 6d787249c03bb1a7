--- tide.chat: see types/chat.lua. What is here checks what it is given and
--- calls what routes call too.

local append = require "chat.append"
local arguments = require "lib.arguments"
local ask = require "chat.ask"
local branch = require "chat.branch"
local chat = require "chat.chat"
local chat_objects = require "chat.objects"
local errors = require "lib.errors"
local json = require "tide.json"
local llm = require "tide.llm"
local messages = require "chat.messages"
local objects = require "web.objects"
local session_manager = require "chat.session_manager"
local text = require "tide.text"
local turn_lease = require "chat.turn_lease"
local turns = require "chat.turns"

local M = {}

--- Characters of a title, and of a list's items.
local TITLE_MAX = 200
local LIST_MAX = 100

--- Turns within the hooks of one another.
local NESTED_MAX = 4

local check, check_one = arguments.check, arguments.check_one

--- A session as scripts see it.
---@param row table of chat_sessions
---@return tide.ChatSession
local function session_of(row)
  return {
    session_id = row.session_id,
    title = row.title,
    model_name = row.model_name,
    persona = row.persona,
    message_count = row.message_count,
    options = row.options and json.decode(row.options) or nil,
    created_at = row.created_at,
    updated_at = row.updated_at,
  }
end

local QUESTION = {
  user = "integer",
  models = "table",
  messages = "table",
  schema = "table?",
  tools = "table?",
  max_tokens = "integer?",
  timeout = "integer?",
}

function M.ask(question)
  check("chat.ask", question, QUESTION)
  return ask.ask(question)
end

--- How many turns begin in a coroutine: hooks of a turn that begin another one
--- are called for that one too.
---@type table<thread, integer>
local beginning = setmetatable({}, { __mode = "k" })

--- Begins a turn, unless hooks do so without an end.
---@async
---@param user integer
---@param request TurnRequest
---@param language "zh"|"en"
---@return tide.Reply|nil reply, tide.Error|nil err
local function begin(user, request, language)
  local thread = coroutine.running()
  local outer = beginning[thread]
  local depth = (outer or 0) + 1
  if depth > NESTED_MAX then
    error(("chat.turn: hooks begin turns within turns, more than %d deep: a "
      .. "hook that begins one is called for it too"):format(NESTED_MAX), 2)
  end
  beginning[thread] = depth
  -- Also when this task is cancelled: its coroutine serves others then.
  local _ <close> = setmetatable({}, {
    __close = function()
      beginning[thread] = outer
    end,
  })
  return turns.start(user, request, language)
end

local TURN = {
  user = "integer",
  session = "string",
  message = "string?",
  files = "table?",
  system = "string?",
  tools = "table?",
  tool_choice = "string?",
  model = "string?",
  persona = "string?",
  parent = "integer?",
  again = "integer?",
  options = "table?",
  language = "string?",
}

function M.turn(turn)
  check("chat.turn", turn, TURN)
  local model_name = turn.model
  if not model_name then
    local session, err = chat.get_chat_session(turn.user, turn.session)
    if not session then
      return nil, err
    end
    model_name = session.model_name
  end
  return begin(turn.user, {
    session_id = turn.session,
    model_name = model_name,
    message = turn.message,
    file_ids = turn.files,
    system_prompt = turn.system,
    tools = turn.tools,
    tool_choice = turn.tool_choice,
    persona = turn.persona,
    parent_id = turn.parent,
    regenerate = turn.again,
    options = turn.options,
    stream = true,
  }, turn.language or "en")
end

local PAGE = { limit = "integer?", before = "integer?", leaf = "integer?" }

function M.history(user, session, page)
  check_one("chat.history", "user", user, "integer")
  check_one("chat.history", "session", session, "string")
  check("chat.history", page or {}, PAGE)
  page = page or {}
  local found, err = messages.get_chat_messages(
    user,
    session,
    page.before or 0,
    math.max(1, math.min(page.limit or LIST_MAX, LIST_MAX)),
    page.leaf or 0
  )
  return found and objects.map(found.rows, chat_objects.message), err
end

function M.session(user, session)
  check_one("chat.session", "user", user, "integer")
  check_one("chat.session", "session", session, "string")
  local row, err = chat.get_chat_session(user, session)
  return row and session_of(row), err
end

local LIST = { limit = "integer?", offset = "integer?", source = "string?" }

function M.sessions(user, page)
  check_one("chat.sessions", "user", user, "integer")
  check("chat.sessions", page or {}, LIST)
  page = page or {}
  local rows, total = chat.get_chat_sessions(
    user,
    math.max(1, math.min(page.limit or LIST_MAX, LIST_MAX)),
    math.max(page.offset or 0, 0),
    nil,
    page.source
  )
  if not rows then
    return nil, total
  end
  return objects.map(rows, session_of), total
end

local APPENDED = {
  user = "integer",
  session = "string",
  message = "string",
  reply = "string",
  model = "string?",
  parent = "integer?",
  persona = "string?",
  language = "string?",
}

function M.append(given)
  check("chat.append", given, APPENDED)
  local saved, err = append.append(given)
  return saved
      and {
        user_message_id = saved.user_message_id,
        message_id = saved.message_id,
      },
    err
end

local BRANCH = {
  user = "integer",
  session = "string",
  message = "integer?",
  title = "string?",
}

--- A title as sessions may have it.
---@param title string
---@return string|nil title, tide.Error|nil err missing_field
local function title_of(title)
  local line = text.prefix(text.squeeze(title), TITLE_MAX)
  if line == "" then
    return nil, errors.new("missing_field", { field = "title" })
  end
  return line
end

function M.branch(from)
  check("chat.branch", from, BRANCH)
  local title, err
  if from.title then
    title, err = title_of(from.title)
    if not title then
      return nil, err
    end
  end
  local row, failed = branch.copy(from.user, from.session, from.message, title)
  return row and session_of(row), failed
end

function M.stop(user, session)
  check_one("chat.stop", "user", user, "integer")
  check_one("chat.stop", "session", session, "string")
  local row, err = chat.get_chat_session(user, session)
  if not row then
    return nil, err
  end
  local stopped, message_id = llm.stop(user, session)
  if message_id then
    return true, message_id
  end
  local elsewhere, more = turn_lease.stop_elsewhere(user, session)
  return elsewhere == false and stopped or elsewhere, more
end

function M.title(user, session, title)
  check_one("chat.title", "user", user, "integer")
  check_one("chat.title", "session", session, "string")
  check_one("chat.title", "title", title, "string")
  local line, empty = title_of(title)
  if not line then
    return nil, empty
  end
  local row, err =
    session_manager.update_session(user, session, { title = line }, "en")
  return row and session_of(row), err
end

return M
