---@meta
--- What a handler gets and what it returns.

--- Who asks: `req.user` of a handler, `turn.user` of a hook or a tool.
---@class tide.User
---@field id integer
---@field username string
---@field email string
---@field role "user"|"admin"
---@field token_version integer
---@field created_at string
---@field claims? tide.Claims of the token that was used; nil with an API key

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
---@field params table<string, any> parameters of the path, decoded; checked,
--- if the route has a schema for them
---@field query table<string, any> arguments of the query, decoded; those that
--- the route has a schema for are checked, others stay texts
---@field args? table set by the pipeline: checked params and query in one table
---@field generation integer
---@field user? tide.User who asks; nil where the route's auth is "none"
---@field caller? tide.User who asks, when another node has passed this request
--- on; the pipeline makes it `user`
---@field routed? boolean set by the pipeline: if another node has a turn in the
--- session, the request goes there
---@field node_key? string set by the pipeline, when another node may have got the
--- request too: what it stores is stored under this key, and only once
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

--- The arguments of the query, checked. The pipeline calls this with the
--- route's schema (req.query).
---@param schema Schema an object's
---@return table|nil checked
---@return tide.SchemaRefusal|nil refusal
function Request:read_query(schema) end

--- The fields of a form or an upload, checked. The pipeline calls this with the
--- route's schema (req.form). A form may have 1000.
---@param schema Schema an object's
---@return table|nil checked
---@return tide.SchemaRefusal|nil refusal
function Request:read_form(schema) end

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
--- piece by piece. `write` waits until the client has taken what came before; if
--- the function raises, or returns nil and an error, the connection is cut
---@field events? fun(send: fun(event: string|tide.Event): boolean): any, tide.Error|nil
--- a function that sends Server-Sent Events, see tide.Event
---@field file? tide.FileAnswer a file, or the part of it that the client asks
--- for, or 304 when it has it; also with content_type
---@field redirect? string another path of this server ("/x"), or an address of
--- http(s); status 303 unless another one is given. Anything else raises
---@field cookies? table<string, string|tide.Cookie|false> by name; false: it is
--- to go
---@field openai? tide.StreamChunks the name of `chunks` with stream in scripts
--- of before
---@field after? integer with stream: position to begin at, default 0

--- A file as an answer: one of `key`, `path` and `bytes`. Without a header
--- Cache-Control of its own it is kept and asked for again each time.
---@class tide.FileAnswer
---@field key? string of a stored file (files.store). What browsers would run as
--- a page is always a download
---@field path? string "static/logo.png", of the plugin whose route answers; 404
--- when there is none
---@field plugin? string the plugin of `path`, when it is another one
---@field bytes? string
---@field name? string what the client may call it; also says its type
---@field download? boolean it is to be stored, not shown

--- A cookie to be set. Its value, and a text alone, must have no characters that
--- cookies may not have (text.url_encode makes it so).
---@class tide.Cookie
---@field value string
---@field max_age? integer seconds; default: as long as the browser runs
---@field path? string default: all of this server
---@field domain? string
---@field http_only? boolean default true: no script of a page reads it
---@field secure? boolean default: when the client speaks TLS
---@field same_site? "Lax"|"Strict"|"None" default "Lax"

--- An event that an `events` function sends; a text is one with this `data`.
--- `send` waits until the client has taken what came before, and returns false
--- when the stream should end soon: other scripts serve (what still runs after a
--- minute is ended), or the server stops. When the client leaves, the function
--- ends where it waits. If it raises, or returns nil and an error, the client
--- gets that as the last event: `error`, with the error object as its data.
--- Several tasks may send.
---@class tide.Event
---@field data? string the lines of a text
---@field json? any instead of data
---@field event? string its type, one line; default "message"
---@field id? string|integer the header Last-Event-ID of a client that comes back
---@field retry? integer milliseconds until a client that was cut off comes back
---@field comment? string lines that clients ignore

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
