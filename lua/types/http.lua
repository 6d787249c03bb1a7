---@meta tide.http

--- Requests of scripts to other servers. Every address must pass the outbound
--- address policy (setting `outbound.allow`): only public https addresses,
--- unless the operator allows more. Redirects are not followed, and proxies are
--- not used.
---
--- ```lua
--- local answer, err = http.request({
---   method = "POST",
---   url = "https://example.org/hook",
---   headers = { ["Content-Type"] = "application/json" },
---   body = json.encode({ text = "high tide" }),
---   timeout_ms = 5000,
--- })
--- if not answer then
---   return nil, err
--- end
--- ```
---@class tide.http
local http = {}

---@class tide.HttpRequest
---@field url string
---@field method? "GET"|"POST"|"PUT"|"PATCH"|"DELETE" default GET
---@field headers? table<string, string|tide.Secret|table> at most 32; a table
--- is joined: {"Bearer ", secret}. Never logged
---@field body? string not with GET
---@field timeout_ms? integer for the whole call, default 30000, at most 600000
---@field disconnect? "detach"|"cancel" whether it continues when the client
--- that the task works for has left; default "detach"
---@field max_bytes? integer of the answer's body, default 1 MiB, at most 16 MiB

---@class tide.HttpAnswer
---@field status integer
---@field headers table<string, string> by lower-case name; several headers with
--- one name are joined with ", ", set-cookie with a line break
---@field body string
---@field retry_after integer|nil seconds, of a Retry-After with a number or a
--- date; at most 86400

--- Sends one request and waits for the whole answer; a status like 404 is an
--- answer, not an error. Raises on unknown fields. Ends with the task.
---@async
---@param request tide.HttpRequest
---@return tide.HttpAnswer|nil answer
---@return tide.Error|nil err invalid_url, address_not_allowed, invalid_header,
--- client_gone (with disconnect = "cancel"), outbound_timeout,
--- outbound_too_large, busy (the worker receives 64 MiB already),
--- outbound_failed (not resolved, refused, reset, TLS, no HTTP: the message says
--- which)
function http.request(request) end

return http
