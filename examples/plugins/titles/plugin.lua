--- A small model makes the title of a session, before a large one answers. It
--- speaks OpenAI's API. An address in your own network must be in
--- outbound.allow.

local config = require "tide.config"
local http = require "tide.http"
local json = require "tide.json"
local log = require "tide.log"
local text = require "tide.text"

local ASK = "Give this conversation a title of at most six words, in the "
  .. "language of the message. Answer with the title only."

---@param message string
---@return string|nil title
local function title_of(message)
  local answer, err = http.request({
    method = "POST",
    url = config.get("plugins.titles.url") .. "/chat/completions",
    headers = {
      ["Content-Type"] = "application/json",
      Authorization = { "Bearer ", config.get("plugins.titles.key") },
    },
    body = json.encode({
      model = config.get("plugins.titles.model"),
      max_tokens = 40,
      messages = {
        { role = "system", content = ASK },
        { role = "user", content = text.truncate(message, 2000) },
      },
    }),
    -- The reply waits for it: without a title in time the usual one stands.
    timeout_ms = 3000,
  })
  local body = answer and answer.status == 200 and json.decode(answer.body)
  local choice = type(body) == "table" and body.choices and body.choices[1]
  if choice then
    return text.prefix(text.squeeze(choice.message.content), 60)
  end
  log.warn("no title", { why = err and err.code or answer.status })
end

return {
  api = 1,
  settings = {
    url = { type = "string", required = true, help = "https://…/v1" },
    model = { type = "string", required = true },
    key = { type = "secret", required = true },
  },
  hooks = {
    before_llm = function(turn)
      if turn.first then
        turn.title = title_of(turn.message) or turn.title
      end
    end,
  },
}
