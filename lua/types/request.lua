---@meta
--- What a handler gets and what it returns.

--- A request. Scripts may set their own fields on it (the pipeline sets user and
--- body).
---@class tide.Request
---@field id string request id
---@field method string
---@field path string
---@field ip string the client's address (trusted proxies considered)
---@field language "zh"|"en" from Accept-Language
---@field from_listed_origin boolean its Origin header is one of cors.origins
---@field secure boolean the client speaks TLS (public_url or trusted proxy)
---@field params table<string, string> path parameters, decoded
---@field query table<string, string> query arguments, decoded
---@field generation integer
---@field user? tide.User set by web/auth
---@field body? table set by the pipeline: validated JSON body
---@field upload? tide.Upload on an upload route; nil when no file came
---@field fields? table<string, string> on an upload route, as they came
---@field form? table set by the pipeline: validated fields
local Request = {}

--- A header, whatever the case of its name.
---@param name string
---@return string|nil value of the first header of that name
function Request:header(name) end

--- A cookie.
---@param name string
---@return string|nil value
function Request:cookie(name) end

--- The token that a request came with, as it was sent: not checked yet. A
--- Bearer token; only when there is no Authorization header at all x-api-key, and
--- without that the cookie access_token.
---@return string|nil token
---@return boolean from_cookie
function Request:credentials() end

--- The bytes of the body, for bodies that are signed or not JSON.
---@return string body as it came ("" when there is none)
function Request:raw_body() end

--- The JSON body, checked. The pipeline calls this with the route's schema
--- (req.body). The first call does not count as CPU time of the script
--- (limits.script_time).
---@param schema? Schema an object's; nil: all of the body, decoded
---@return any body {} when there is none
---@return tide.SchemaRefusal|nil refusal
function Request:read_json(schema) end

--- The text of an answer: what the field `json` of a response is sent as, for
--- handlers that store or sign it. Members come in the order of the route's
--- schema `response`.
---@param value any
---@return string text ends with a newline
function Request:encode(value) end

--- What a handler returns.
---@class tide.Response
---@field status? integer default 200
---@field json? any encoded as the body, members in the order of the route's
--- schema `response`
---@field body? string instead of json
---@field content_type? string with body; default text/plain; charset=utf-8
---@field headers? table<string, string|string[]>
---@field stream? tide.Reply answer as Server-Sent Events
---@field chunks? tide.StreamChunks|fun(write: fun(text: string)) with stream:
--- send it in the form of another API; without: a function that writes the body
--- piece by piece
---@field openai? tide.StreamChunks the name of `chunks` with stream in scripts
--- of before
---@field after? integer with stream: position to begin at, default 0

--- What the events of a stream in the form of another API have in common.
---@class tide.StreamChunks
---@field form? "chat"|"text"|"messages" default "chat": OpenAI's chat completions;
--- "text": its text completions, without reasoning and tool calls;
--- "messages": Anthropic's Messages API, with the message of its first event as
--- `head`
---@field id string
---@field model string
---@field created? integer seconds since 1970
---@field include_usage? boolean the client asked for the usage
---@field head? string|tide.Raw JSON that the form puts into its events
