--- Titles asked from the model, after the first reply has ended, so that they
--- never slow a token. Off by default (setting title.ask_model): it costs one
--- more request. The title made by policy stands until then, and stays when
--- the model has nothing better or somebody has renamed the session meanwhile.

local chat = require "chat.chat"
local llm = require "tide.llm"
local log = require "tide.log"
local sources = require "models.upstream_request"
local title_policy = require "policy.title"

local M = {}

--- ms; a title that takes longer is not worth it.
local LIMIT_MS = 30000

---@class TitleWish
---@field user_id integer
---@field session_id string
---@field title string the one that stands now
---@field message string the first user message
---@field model Model that answered it

--- Asks and stores. Failing changes nothing.
---@param wish TitleWish
---@param result tide.Result the first reply
function M.ask_for_title(wish, result)
  local model = wish.model
  if result.status ~= "complete" or not model.provider.build then
    return
  end
  local spec = { user_id = wish.user_id }
  sources.set(spec, model, {
    messages = title_policy.question(wish.message, result.content),
    max_tokens = 40,
    limit = LIMIT_MS,
  })
  local reply, err = llm.ask(spec)
  local answer = reply and reply:wait()
  local title = answer
    and answer.status == "complete"
    and title_policy.from_answer(answer.content)
  if not title then
    err = err or answer and answer.error
    log.debug("no title from the model", { code = err and err.code or "" })
    return
  end
  chat.update_session_title(wish.user_id, wish.session_id, title, wish.title)
end

return M
