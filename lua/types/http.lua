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
---@field retries? integer further attempts, 0 to 5, default 0: after 429, 502, 503
--- and 504 and when there is no answer, after as long as Retry-After says, or
--- longer each time, within `timeout_ms`. What may have been carried out is
--- repeated only for GET, PUT and DELETE
---@field retry_unsafe? boolean POST and PATCH may be carried out twice, too
---@field cache? boolean only GET: keeps the answer (status 200, at most 1 MiB) as
--- long as its Cache-Control says, in the memory of tide.shared, and lets the
--- server confirm an older one (ETag, Last-Modified). An answer is given only to
--- requests with the same URL and headers

---@class tide.HttpAnswer
---@field status integer
---@field headers table<string, string> by lower-case name; several headers with
--- one name are joined with ", ", set-cookie with a line break
---@field body string
---@field retry_after integer|nil seconds, of a Retry-After with a number or a
--- date; at most 86400
---@field cached "fresh"|"confirmed"|nil whether it comes from the cache

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

---@class tide.HttpStreamRequest
---@field url string
---@field method? "GET"|"POST"|"PUT"|"PATCH"|"DELETE" default GET
---@field headers? table<string, string|tide.Secret|table> as of http.request
---@field body? string not with GET
---@field timeout_ms? integer until the answer's head has come, default 30000, at
--- most 600000
---@field idle_ms? integer between two pieces, default 60000, at most 600000; time
--- in which the script does not read does not count
---@field max_bytes? integer of the answer's body, default 64 MiB, at most 1 GiB
---@field disconnect? "detach"|"cancel" as of http.request

--- An answer that is read piece by piece. It ends with the outermost task of the
--- one that opened it; an answer takes an hour at most.
---
--- ```lua
--- local stream <close>, err = http.stream({ url = url })
--- while stream do
---   local piece, broken = stream:read()
---   if not piece then
---     return not broken, broken
---   end
---   log.info("a piece", { bytes = #piece })
--- end
--- ```
---@class tide.HttpStream
local HttpStream = {}

--- Sends one request and waits for the head of the answer; a status like 404 is
--- an answer. What the script does not read waits at the other server: at most
--- 64 KiB are kept here. Redirects, addresses and headers as with http.request.
---@async
---@param request tide.HttpStreamRequest
---@return tide.HttpStream|nil stream
---@return tide.Error|nil err as of http.request
function http.stream(request) end

--- Waits for bytes of the body and returns those that are there.
---@async
---@param max? integer bytes, default 65536
---@return string|nil piece never empty; nil at the end
---@return tide.Error|nil err when the answer broke off: outbound_failed,
--- outbound_timeout, outbound_too_large, client_gone, busy
function HttpStream:read(max) end

--- The status of the answer.
---@return integer status
function HttpStream:status() end

--- The headers of the answer.
---@return table<string, string> headers as of http.request
function HttpStream:headers() end

--- How long the other server asks to wait.
---@return integer|nil seconds of a Retry-After, at most 86400
function HttpStream:retry_after() end

--- Closes the connection, unless the answer has been read to its end; `<close>`
--- does the same. Harmless when it is closed.
---@return nil
function HttpStream:close() end

return http
