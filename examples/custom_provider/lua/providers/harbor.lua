--- A provider of one's own: "Harbor", a service that speaks like nobody else.
--- It names its events, tells an answer in pieces of a list, counts in words
--- of its own and ends with an event without text:
---
---   event: part
---   data: {"parts":[{"kind":"thought","say":"hm"},{"kind":"word","say":"Hi"}]}
---
---   event: bill
---   data: {"words":{"in":3,"out":1},"why":"done"}
---
---   event: trouble
---   data: {"kind":"crowded"}
---
---   event: over
---   data: {"at":"2026-01-01"}
---
--- Copy this file into lua/providers/ and reload: `provider` of an API
--- configuration may be "harbor" from then on. docs/providers.md explains the
--- paths.

local chat_messages = require "providers.chat_messages"
local json = require "tide.json"

local M = {
  name = "harbor",
  framing = "sse",
  notes = "The example of docs/providers.md.",
  stream = {
    content = "[@event=part].parts.*[kind=word].say",
    reasoning = "[@event=part].parts.*[kind=thought].say",
    finish_reason = "[@event=bill].why",
    input_tokens = "[@event=bill].words.in",
    output_tokens = "[@event=bill].words.out",
    error = "[@event=trouble].kind",
    error_type = "[@event=trouble].kind",
    ended = "[@event=over].at",
  },
  -- It knows no answers that are not streamed.
  whole = {},
  finish_reasons = { done = "stop", full = "length" },
  error_codes = { crowded = "upstream_overloaded" },
}

---@param request tide.ProviderRequest
---@return tide.ProviderCall
function M.build(request)
  local said = json.array({})
  for i, message in ipairs(request.messages) do
    said[i] = {
      who = message.role,
      what = chat_messages.text(message.content),
    }
  end
  return {
    url = request.base_url .. "/talk",
    headers = {
      ["X-Harbor-Key"] = request.key,
      ["Content-Type"] = "application/json",
    },
    body = { ship = request.model, said = said },
  }
end

return M
