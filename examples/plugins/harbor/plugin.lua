--- A provider that speaks like no other. Its stream:
---
---   event: part
---   data: {"parts":[{"kind":"thought","say":"hm"},{"kind":"word","say":"Hi"}]}
---
---   event: bill
---   data: {"words":{"in":3,"out":1},"why":"done"}
---
---   event: over
---   data: {"at":"2026-01-01"}

local json = require "tide.json"

--- The text of a message, whose content may be a list of parts.
---@param content string|table[]
---@return string
local function text_of(content)
  if type(content) == "string" then
    return content
  end
  local texts = {}
  for _, part in ipairs(content) do
    texts[#texts + 1] = part.text
  end
  return table.concat(texts, "\n")
end

local harbor = {
  framing = "sse",
  stream = {
    content = "[@event=part].parts.*[kind=word].say",
    reasoning = "[@event=part].parts.*[kind=thought].say",
    finish_reason = "[@event=bill].why",
    input_tokens = "[@event=bill].words.in",
    output_tokens = "[@event=bill].words.out",
    ended = "[@event=over].at",
  },
  whole = {}, -- it knows no answers that are not streamed
  finish_reasons = { done = "stop", full = "length" },
}

function harbor.build(request)
  local said = json.array({})
  for i, message in ipairs(request.messages) do
    said[i] = { who = message.role, what = text_of(message.content) }
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

return { api = 1, providers = { harbor = harbor } }
