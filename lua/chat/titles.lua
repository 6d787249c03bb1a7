--- Titles that the model makes, after the first reply has ended, so that they
--- never slow a token. Off by default (setting title.ask_model), because each
--- costs one more request. Until then the session has the title that the policy
--- made; it stays when the model has no better one, or when somebody has
--- renamed the session meanwhile.

local chat = require "chat.chat"
local llm = require "tide.llm"
local log = require "tide.log"
local title_policy = require "policy.title"
local upstream_request = require "models.upstream_request"

local M = {}

--- ms; a title that takes longer is not worth it.
local LIMIT_MS = 30000

---@class TitleRequest
---@field user_id integer
---@field session_id string
---@field title string the one that stands now
---@field message string the first user message
---@field model Model that answered it

--- Asks and stores. Failing changes nothing.
---@param request TitleRequest
---@param result tide.Result the first reply
function M.ask_for_title(request, result)
  local model = request.model
  if result.status ~= "complete" or not model.provider.build then
    return
  end
  local spec = { user_id = request.user_id }
  upstream_request.fill(spec, model, {
    messages = title_policy.question(request.message, result.content),
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
  chat.update_session_title(
    request.user_id,
    request.session_id,
    title,
    request.title
  )
end

return M
