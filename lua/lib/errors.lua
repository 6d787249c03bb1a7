--- The one error table of the API: code -> status and text in both languages.
--- Codes are stable (clients test them), texts are for people and say what is
--- wrong, where, and what to do. `{name}` is replaced from the error's args.
--- Codes of the core (C) are here too: it looks texts up by code, and its own
--- messages (addresses, SQL, file names) stay in the log.

local M = {}

---@class ErrorEntry
---@field status integer HTTP status
---@field en string
---@field zh string
---@field retry? boolean whether the same request may succeed later; sent to
--- clients of the OpenAI routes. Default: 408, 429 and 5xx may
---@field door? {status?: integer, code?: string} what clients know where errors
--- have the form of another API (error_shapes in app.lua): there a fault of the
--- request keeps its class

---@type table<string, ErrorEntry>
M.all = {}
local GROUPS = {
  "request", "account", "chat", "openai", "files", "upstream", "database",
  "server",
}
for _, name in ipairs(GROUPS) do
  local group = require("lib.errors_of." .. name)
  for code, entry in pairs(group) do
    M.all[code] = entry
  end
end

--- An error to return as the second value of a failing call.
---@param code string a key of M.all; another one is a bug and raises
---@param args? table<string, string|number> for the text's placeholders
---@return tide.Error
function M.new(code, args)
  local entry = M.all[code]
  if not entry then
    error("no such error code: " .. tostring(code), 2)
  end
  local headers
  if entry.status == 401 then
    -- RFC 9110, 15.5.2: a 401 must say how to authenticate.
    headers = { ["WWW-Authenticate"] = "Bearer" }
  end
  return { code = code, args = args, headers = headers }
end

--- The text of a code that was stored without its args, as in the error frame
--- of a stream.
---@param code string one that is not known any more has the text of an
--- internal error
---@param language "zh"|"en"
---@return string
function M.text(code, language)
  local entry = M.all[code] or M.all.internal_error
  return (entry[language]:gsub("{[%w_]+}", ""))
end

--- What clients of other vendors' APIs know a code as.
---@param code string
---@return string|nil door_code nil: it has no other name there
function M.door_code(code)
  local entry = M.all[code]
  return entry and entry.door and entry.door.code
end

return M
