---@meta
--- The Lua API of the core, as annotations (never loaded). Calls marked
--- "yields" suspend the task until the answer is there and work only inside a
--- request or a task, never while a module loads. What can go wrong comes back
--- as `nil, err`; a raised error is a bug in the script.

--- What every failing call returns as its second value.
---@class tide.Error
---@field code string stable snake_case, a key of lua/lib/errors.lua
---@field message? string English detail for logs, never shown to clients
---@field status? integer HTTP status; default: the error table's
---@field args? table<string, string|number> for the placeholders of the text
---@field retry_after? integer seconds
---@field statement? integer db.write: number of the failed statement, from 1
---@field headers? table<string, string>

--- A value that logs and encoders refuse to print: tostring is "[secret]".
---@class tide.Secret

---@class tide.Claims
---@field sub integer user id
---@field ver integer the user's token_version
---@field username string
---@field role string
---@field jti string
---@field iat integer seconds
---@field exp integer seconds

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
---@field route tide.Route
---@field user? tide.User set by lib/auth
---@field body? table set by the pipeline: validated JSON body
---@field upload? tide.Upload of an upload route, nil when no file came
---@field fields? table<string, string> of an upload route, as they came
---@field form? table set by the pipeline: validated fields
local Request = {}

---@param name string
---@return string|nil value of the first header of that name
function Request:header(name) end

---@param name string
---@return string|nil
function Request:cookie(name) end

---@return string body as it came ("" when none)
function Request:raw_body() end

--- What a handler returns.
---@class tide.Response
---@field status? integer default 200
---@field json? any encoded as the body
---@field body? string instead of json
---@field content_type? string with body; default text/plain; charset=utf-8
---@field headers? table<string, string|string[]>
---@field stream? tide.Reply answer as Server-Sent Events (contract, section 4)
---@field after? integer with stream: position to begin at, default 0

--- One route; see lua/lib/pipeline.lua for what happens with it.
---@class tide.Route
---@field method string
---@field path string "/api/files/:file_id"
---@field auth "none"|"user"|"admin"
---@field listener? "public"|"admin" default "public"
---@field params? table schema
---@field query? table schema
---@field request? table schema of the JSON body; absent = no body is read
---@field response? table schema of the 200 answer
---@field upload? boolean the body is multipart/form-data: its part "file" is
--- streamed to disk, the others are req.fields
---@field form? table schema of an upload's fields
---@field body_max? integer bytes; default setting limits.body
---@field summary string one line for the docs
---@field handler fun(req: tide.Request): tide.Response|nil, tide.Error|nil

--- tide.json ---------------------------------------------------------------
---@class tide.json
---@field null lightuserdata JSON null, SQL NULL
local json = {}

--- Strict RFC 8259. Integral numbers up to 2^53 become integers; null becomes
--- json.null; arrays keep being arrays when empty.
---@param text string
---@return any value, tide.Error|nil err "invalid_json"
function json.decode(text) end

--- Tables with [1] or marked by json.array are arrays, others objects.
---@param value any
---@return string
function json.encode(value) end

--- Marks a table as an array, so that an empty one is "[]".
---@generic T: table
---@param t T|nil default {}
---@return T
function json.array(t) end

---@param t table
---@return boolean
function json.is_array(t) end

--- tide.db -----------------------------------------------------------------
---@class tide.db
local db = {}

--- Reads on the worker's own connection: bounded, indexed queries. Slow ones
--- are repeated off the loop by themselves (yields then). NULL columns are nil.
---@param sql string
---@param args? any[] json.null for NULL
---@return table[]|nil rows, tide.Error|nil err
function db.query(sql, args) end

--- The first row, or nil (err is nil too when there is just no row).
---@param sql string
---@param args? any[]
---@return table|nil row, tide.Error|nil err
function db.one(sql, args) end

--- The same as query, always off the loop: for what is known to take long
--- (search, export). Yields. At most 10,000 rows.
---@param sql string
---@param args? any[]
---@return table[]|nil rows, tide.Error|nil err busy, query_too_slow
function db.fetch(sql, args) end

--- Writes all statements or none, in one transaction; yields until committed.
--- A statement is {sql, args, expect = n}: expect fails the job unless exactly
--- n rows change. Later statements may use last_insert_rowid() in SQL.
---@param statements table[]
---@return {id: integer, changes: integer}[]|nil outcomes, tide.Error|nil err
--- codes: duplicate, foreign_key, constraint, unexpected_changes, disk_full,
--- busy, database_error
function db.write(statements) end

--- tide.crypto -------------------------------------------------------------
---@class tide.crypto
local crypto = {}

--- Argon2id off the loop; yields.
---@param password string
---@return string|nil hash, tide.Error|nil err "busy"
function crypto.password_hash(password) end

--- Yields. A hash that is nil costs the same time (unknown users).
---@param hash string|nil
---@param password string
---@return boolean|nil ok, tide.Error|nil err "busy"
function crypto.password_verify(hash, password) end

---@param claims tide.Claims
---@return string token
function crypto.token_sign(claims) end

---@param token string
---@return tide.Claims|nil claims, tide.Error|nil err invalid_token, token_expired
function crypto.token_verify(token) end

--- XChaCha20-Poly1305; `bound` must be the same at unseal.
---@param plain string
---@param bound string
---@return string sealed
function crypto.seal(plain, bound) end

---@param sealed string
---@param bound string
---@return tide.Secret|nil secret, tide.Error|nil err "secret_unreadable"
function crypto.unseal(sealed, bound) end

---@param bytes integer
---@return string hex digits, two a byte
function crypto.random_hex(bytes) end

---@param data string
---@return string hex
function crypto.sha256(data) end

--- In constant time for equal lengths.
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end

--- tide.time ---------------------------------------------------------------
---@class tide.time
local time = {}

--- RFC 3339 UTC with six fraction digits and Z, strictly increasing a process.
---@return string
function time.now() end

---@return integer seconds since 1970
function time.unix() end

--- Strictly increasing a process: names sessions.
---@return integer nanoseconds since 1970
function time.unix_ns() end

--- For measuring how long something takes.
---@return integer milliseconds of a clock that never jumps
function time.mono_ms() end

--- Yields.
---@param ms integer
function time.sleep(ms) end

--- tide.log ----------------------------------------------------------------
--- Never log prompts, replies or keys. Fields are strings, numbers, booleans.
---@class tide.log
local log = {}
---@param message string
---@param fields? table
function log.debug(message, fields) end
---@param message string
---@param fields? table
function log.info(message, fields) end
---@param message string
---@param fields? table
function log.warn(message, fields) end
---@param message string
---@param fields? table
function log.error(message, fields) end

--- tide.config -------------------------------------------------------------
---@class tide.config
local config = {}

--- A setting in force, typed (durations in ms, sizes in bytes, lists as
--- tables). Unknown keys raise.
---@param key string e.g. "public_url", "cors.origins", "demo", "token.ttl"
---@return any
function config.get(key) end

--- tide.text ---------------------------------------------------------------
---@class tide.text
local text = {}

---@param s string valid UTF-8
---@return integer characters
function text.count(s) end

--- The first n characters, never cutting one.
---@param s string valid UTF-8
---@param n integer
---@return string
function text.prefix(s, n) end

---@param s string
---@return boolean
function text.valid(s) end

--- Whether the text has CJK ideographs.
---@param s string
---@return boolean
function text.has_cjk(s) end

--- tide.cache --------------------------------------------------------------
---@class tide.cache
local cache = {}

--- The value put under exactly this row version, else nil: then ask the
--- database and put. Yields only when Redis must be asked; never fails.
---@param key string 1 to 512 bytes; carries the user id
---@param version integer of the row, just read
---@return string|nil value
function cache.get(key, version) end

--- Kept in this process at once, in Redis in the background. Too large values
--- are not kept. Never put secrets in clear.
---@param key string
---@param version integer
---@param value string
---@param ttl_ms integer 1 ms to 365 days
function cache.put(key, version, value, ttl_ms) end

--- Gone from this process when it returns, from Redis soon. Call after commit.
---@param key string
function cache.delete(key) end

--- This process's entries only (Redis' expire); walks everything: rare use.
---@param prefix string
---@return integer removed
function cache.delete_prefix(prefix) end

---@class tide.CacheStats
---@field entries integer
---@field bytes integer
---@field max_bytes integer
---@field hits integer
---@field misses integer
---@field stale integer
---@field expired integer
---@field puts integer
---@field evicted integer
---@field redis table state, opened, hits, misses, errors, timeouts, skipped

---@return tide.CacheStats
function cache.stats() end

--- tide.personas -----------------------------------------------------------
--- The personas of style.yaml in file order, validated by the core.
---@alias tide.personas {name: string, content: string}[]

--- tide.llm ----------------------------------------------------------------
---@class tide.llm
local llm = {}

--- A place in a session's queue of turns. Left by itself when the task ends,
--- unless llm.start took it over.
---@class tide.Turn
local Turn = {}
function Turn:leave() end

--- Waits for the session's turn; yields.
---@param user_id integer
---@param session_id string
---@return tide.Turn|nil turn
---@return tide.Error|nil err session_busy, session_deleted, stopped
function llm.enter(user_id, session_id) end

---@class tide.Usage
---@field input_tokens? integer
---@field output_tokens? integer

--- What a reply came to.
---@class tide.Result
---@field message_id integer
---@field user_message_id integer
---@field content string
---@field reasoning string
---@field status "complete"|"stopped"|"error"|"interrupted"
---@field finish_reason? string
---@field usage? tide.Usage
---@field http_status integer of the upstream's answer, 0 when none came
---@field error? tide.Error when status is "error"

--- A running reply: it belongs to the server and goes on without the request.
---@class tide.Reply
---@field message_id integer
---@field user_message_id integer
local Reply = {}

--- Waits until the reply is finished and committed; yields.
---@return tide.Result
function Reply:wait() end

--- Waits for the first bytes, at most `ms`; yields.
---@param ms integer
---@return "waiting"|"running"|"finished"
function Reply:first(ms) end

--- More of the text: waits until there is some after `position`; yields.
---@param position integer 0 at first, then what the last call returned
---@return string|nil content nil at the end of the reply
---@return integer|nil position after it
function Reply:read(position) end

---@return "waiting"|"running"|"produced"|"finished"
function Reply:state() end

---@return string content so far
function Reply:text() end

---@return integer bytes in the log so far (content and reasoning)
function Reply:length() end

--- Asks it to stop; the partial text is kept with status "stopped".
function Reply:stop() end

--- Starts producing the reply to rows that are committed already (user message
--- complete, assistant message `streaming`). Takes the turn over: it is left
--- after the reply's final commit. From here on everything happens in C:
--- pumping, checkpoints, the final commit (content, status, usage,
--- finish_reason, error_code, updated_at of message and session).
---@class tide.StartSpec
---@field turn tide.Turn
---@field user_id integer
---@field session_id string
---@field session_row integer chat_sessions.id
---@field message_id integer the assistant message's id
---@field user_message_id integer
---@field provider? tide.Provider with a real upstream
---@field url? string full URL, checked by the outbound address policy
---@field headers? table<string, string|tide.Secret|table> a table is joined:
--- {"Bearer ", secret}
---@field body? string JSON
---@field deadlines? {connect: integer, first_byte: integer, between: integer, total: integer} ms
---@field on_finish? fun(result: tide.Result) runs as a task of its own after
--- the final commit; may yield
---@field play? {text: string, reasoning?: string, piece?: integer, first_ms?: integer, pace_ms?: integer, error?: string}
--- instead of an upstream: tell this text at this pace, then fail with `error`
--- (a code) when given
---@param spec tide.StartSpec
---@return tide.Reply|nil reply, tide.Error|nil err
--- on failure the assistant row is ended with status "error" by the core
function llm.start(spec) end

--- Asks an upstream (or plays) without a session: nothing is stored, the reply
--- has no ids. `spec` as for start, of which only what to ask is read.
---@param spec tide.StartSpec
---@return tide.Reply|nil reply, tide.Error|nil err
function llm.ask(spec) end

--- The reply in flight of a session.
---@param user_id integer
---@param session_id string
---@return tide.Reply|nil
function llm.find(user_id, session_id) end

--- The reply in flight of a message.
---@param user_id integer
---@param message_id integer
---@return tide.Reply|nil
function llm.find_message(user_id, message_id) end

--- Stops the running reply and ends waiting turns of a session. With `code`
--- (e.g. "session_deleted") the reply ends as error with that code.
---@param user_id integer
---@param session_id string
---@param code? string
---@return integer|nil message_id of the reply that ran
function llm.stop(user_id, session_id, code) end

--- The outbound address policy, as far as it can be judged without DNS.
---@param url string
---@return true|nil ok, tide.Error|nil err invalid_url, address_not_allowed
function llm.check_url(url) end

--- What a provider script returns: data for the core, functions for requests.
---@class tide.Provider
---@field name string
---@field framing "sse"|"json_lines"
---@field done? string data of the last event, e.g. "[DONE]"
---@field stream tide.Paths where things are in a stream event
---@field whole tide.Paths where things are in an answer that is not streamed
---@field build fun(request: tide.ProviderRequest): {url: string, headers: table, body: string}

---@class tide.Paths dotted JSON paths
---@field content? string
---@field reasoning? string
---@field finish_reason? string
---@field input_tokens? string
---@field output_tokens? string
---@field error? string

---@class tide.ProviderRequest
---@field base_url string
---@field key tide.Secret
---@field model string
---@field messages {role: string, content: string}[]
---@field max_tokens? integer of the answer

--- tide.files --------------------------------------------------------------
---@class tide.files
local files = {}

--- A file that came with the request. It is a temporary one and goes away with
--- the request unless it is kept.
---@class tide.Upload
---@field file_name string UTF-8 without folders and control characters
---@field file_type string extension with dot, small letters; "" = none
---@field size integer bytes
---@field handle userdata

--- Keeps an upload: its bytes are on disk under the returned key. Yields.
---@param upload tide.Upload
---@return string|nil key, tide.Error|nil err disk_full, store_failed, busy
function files.keep(upload) end

--- Removes bytes; keys that are not there are no failure. Yields.
---@param keys string|string[] at most 1000
---@return true|nil ok, tide.Error|nil err store_failed, busy
function files.remove(keys) end

--- The text of a file, at most 1 MiB: decoded, or extracted (.pdf, .docx).
--- Yields.
---@param key string
---@param file_type string
---@return string|nil text, tide.Error|nil err file_missing, text_too_large,
--- unsupported_encoding, extract_failed, extract_too_large, extract_timeout
function files.read_text(key, file_type) end
