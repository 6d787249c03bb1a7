---@meta
--- What a handler gets and what it returns.

--- A request. Own fields may be set on it (the pipeline sets user and body).
---@class tide.Request
---@field id string request id
---@field method string
---@field path string
---@field ip string the client's address (trusted proxies considered)
---@field language "zh"|"en" from Accept-Language
---@field secure boolean the client speaks TLS (public_url or trusted proxy)
---@field params table<string, string> path parameters, decoded
---@field query table<string, string> query arguments, decoded
---@field generation integer
---@field user? tide.User set by web/auth
---@field body? table set by the pipeline: validated JSON body
---@field upload? tide.Upload of an upload route, nil when no file came
---@field fields? table<string, string> of an upload route, as they came
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

--- The bytes of the body, for what is signed or no JSON.
---@return string body as it came ("" when none)
function Request:raw_body() end

--- The JSON body. The pipeline calls this and checks what comes against the
--- route's schema (req.body). Reading it costs the script no time
--- (limits.script_time) when it is asked for the first time.
---@param names? table<string, any> its keys are the names of the fields of the
--- outermost object that are wanted; the others are left out. nil: all
---@return any body {} when there is none
---@return tide.Error|nil err invalid_json, too_many_values
function Request:read_json(names) end

--- What a handler returns.
---@class tide.Response
---@field status? integer default 200
---@field json? any encoded as the body
---@field body? string instead of json
---@field content_type? string with body; default text/plain; charset=utf-8
---@field headers? table<string, string|string[]>
---@field stream? tide.Reply answer as Server-Sent Events
---@field openai? {id: string, created: integer, model: string, include_usage?: boolean}
--- with stream: as chunks of OpenAI's chat completions
---@field after? integer with stream: position to begin at, default 0
