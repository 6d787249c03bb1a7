--- One question to a model, for scripts: nothing is stored and nobody watches.
--- Its tokens count as the user's. Hooks do not see it, so a hook may ask.

local answer_form = require "chat.answer_form"
local errors = require "lib.errors"
local llm = require "tide.llm"
local models = require "models.models"
local openai = require "doors.openai"
local quota = require "account.quota"
local replies = require "chat.replies"
local time = require "tide.time"
local tool_loop = require "chat.tool_loop"
local tools = require "chat.tools"
local turn_view = require "chat.turn"
local users = require "account.users"

local M = {}

--- A played model reads who speaks.
local NOBODY = { name = "", content = "" }

local US_PER_MS = 1000

---@class Question
---@field user integer
---@field models string[] the first that answers
---@field messages tide.ChatMessage[]
---@field schema? Schema of the answer, an object's
---@field tools? table<string, tide.Tool>
---@field max_tokens? integer
---@field timeout? integer ms for each model

--- Where the parts of an answer go that is only waited for: nowhere. Has those
--- functions of tide.Output that tools need.
---@class AskedOutput
---@field user_id integer
local AskedOutput = {}
AskedOutput.__index = AskedOutput

---@async
---@param spec table
---@return tide.Part|nil part, tide.Error|nil err
function AskedOutput:ask(spec)
  spec.user_id = self.user_id
  local reply, err = llm.ask(spec)
  if not reply then
    return nil, err
  end
  return reply:wait()
end

function AskedOutput.step() end

function AskedOutput.store() end

function AskedOutput.tool_calls() end

--- What a question is to the sources of replies. `limit` is the time that is
--- left for this model, when somebody looks.
---@param question Question
---@param messages tide.ChatMessage[] of its own: tools add to them
---@return ReplySource
local function source_of(question, messages)
  local ends = question.timeout
    and time.unix_ns() // US_PER_MS + question.timeout * US_PER_MS
  return setmetatable({
    messages = messages,
    reasoning = {},
    persona = NOBODY,
    language = "en",
    max_tokens = question.max_tokens,
  }, {
    __index = function(_, key)
      if key ~= "limit" or not ends then
        return nil
      end
      local left = (ends - time.unix_ns() // US_PER_MS) // US_PER_MS
      return math.max(left, 1)
    end,
  })
end

--- The turn that tools are shown.
---@param question Question
---@param model_name string
---@return tide.Turn
local function turn_of(question, model_name)
  local shown = turn_view.show({
    user_id = question.user,
    session_id = "",
    model_name = model_name,
    persona = NOBODY.name,
    language = "en",
    first = true,
    message = openai.last_question(question.messages),
    messages = question.messages,
    title = "",
    files = {},
    options = {},
  }, {
    user = function()
      return users.get_user(question.user)
    end,
  })
  shown.moment = "later"
  return shown.turn
end

--- Asks one model.
---@async
---@param question Question
---@param name string the model's
---@param messages tide.ChatMessage[]
---@param set ToolSet
---@return string|nil text, tide.Error|nil err
local function ask_one(question, name, messages, set)
  local model, unknown = models.resolve(question.user, name)
  if not model then
    return nil, unknown
  end
  local free, exceeded = quota.check(question.user, model.name)
  if not free then
    return nil, exceeded
  end
  local own = table.move(messages, 1, #messages, 1, {})
  models.fit_fallbacks(model, own)
  local outcome = tool_loop.run(
    setmetatable({ user_id = question.user }, AskedOutput),
    {
      model = model,
      source = source_of(question, own),
      tools = set,
      unseen = true,
      turn = turn_of(question, model.name),
    }
  )
  if outcome.status == "complete" then
    return outcome.content
  end
  return nil, replies.failure(outcome) or errors.new("stopped")
end

--- Asks the models in turn, until one answers as it was asked to.
---@async
---@param question Question
---@return any answer a text; with a schema the object
---@return tide.Error|nil err of the model that was asked last
function M.ask(question)
  local messages, schema = question.messages, question.schema
  if schema then
    messages = answer_form.instruct(messages, schema)
  end
  local set = tools.without_approval(tools.join({ question.tools }))
  local err
  for _, name in ipairs(question.models) do
    local answer
    answer, err = ask_one(question, name, messages, set)
    if answer and schema then
      answer, err = answer_form.read(answer, schema)
    end
    if answer then
      return answer
    end
  end
  return nil, err or errors.new("missing_field", { field = "models" })
end


return M
