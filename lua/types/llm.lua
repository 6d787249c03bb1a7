---@meta tide.llm

--- Turns, and the replies of models. What a turn stores is chat/turns.lua's
--- business; what a provider is asked, its script's (lua/providers/).
---
--- ```lua
--- local reply, err = llm.ask(spec)
--- if not reply then
---   return nil, err
--- end
--- local result = reply:wait()
--- ```
---@class tide.llm
local llm = {}

--- A place in a session's queue of turns. Left by itself when the task ends,
--- unless llm.start took it over.
---@class tide.Turn
local Turn = {}

--- Gives the place back: the next turn begins. Harmless when it was left or
--- taken over already; also done by `local turn <close>`.
---@return nil
function Turn:leave() end

--- Waits for the session's turn: one at a time, in order of arrival, on all
--- workers together; four may wait.
---@async
---@param user_id integer
---@param session_id string
---@param disconnect? "detach"|"cancel" what the client's leaving means to the
--- wait; default "detach"
---@return tide.Turn|nil turn
---@return tide.Error|nil err session_busy, session_deleted, stopped,
--- client_gone
function llm.enter(user_id, session_id, disconnect) end

---@class tide.Usage
---@field input_tokens? integer
---@field output_tokens? integer
---@field estimated? boolean the upstream did not tell all of it
---@field attempts? integer calls that were made, when more than one
---@field possibly_charged_twice? boolean one of them was sent, gave no answer,
--- and was followed by another

--- The outcome of a reply.
---@class tide.Result
---@field message_id integer
---@field user_message_id integer
---@field content string
---@field reasoning string
---@field tool_calls string lines of JSON, each a list of deltas as OpenAI
--- streams them; providers/tool_calls joins them; "" = none
---@field status "complete"|"stopped"|"error"|"interrupted"
---@field finish_reason? string
---@field usage? tide.Usage
---@field http_status integer of the upstream's answer, 0 when none came
---@field error? tide.Error when status is "error"

--- A running reply: it belongs to the server and goes on without the request.
--- The value is good until the request (or timer, or hook) that got it is over.
---@class tide.Reply
---@field message_id integer
---@field user_message_id integer
local Reply = {}

--- Waits until the reply is finished and committed.
---@async
---@return tide.Result result
function Reply:wait() end

--- Waits for the first bytes, at most `ms`.
---@async
---@param ms integer milliseconds
---@return "waiting"|"running"|"finished" state
function Reply:first(ms) end

--- More of the text: waits until there is some after `position`.
---@async
---@param position integer 0 at first, then what the last call returned
---@return string|nil content nil at the end of the reply
---@return integer|nil position after it
function Reply:read(position) end

--- How far it is; "produced" is complete, but not committed yet.
---@return "waiting"|"running"|"produced"|"finished" state
function Reply:state() end

--- The text that has come.
---@return string content
function Reply:text() end

--- How long the log is: content and reasoning. Positions are within it.
---@return integer bytes
function Reply:length() end

--- Whether a position is one that no client can have received.
---@param position integer
---@return boolean splits no frame ended there: it lies inside a character, or
--- inside an entry of tool calls
function Reply:splits(position) end

--- Asks it to stop; the partial text is kept with status "stopped".
---@return nil
function Reply:stop() end

--- An upstream that can be asked for a reply.
---@class tide.Candidate
---@field provider tide.Provider
---@field url string
---@field headers? table
---@field body? table|string
---@field deadlines? ApiDeadlines

--- In which order candidates are asked; see policy/upstream. Another step
--- follows only before the reply's first byte.
---@class tide.RetryPlan
---@field steps? {candidate: integer, wait: integer}[] at most 32; ms before it
---@field retry_after_max? integer ms that an upstream may ask for; default 0
---@field after_send? boolean also when a request was sent and got no answer
---@field force? boolean also when the upstream is known to be down

--- What to produce, and for which rows.
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
---@field body? table|string encoded as JSON; a string is sent as it is
---@field deadlines? ApiDeadlines ms; what is absent is as in the settings
---@field candidates? tide.Candidate[] instead of the five fields above: whom to
--- ask, at most 8
---@field retry? tide.RetryPlan default: each candidate once, in order
---@field counted_as? string the model's name under which the tokens are added
--- to the user's usage; absent = they are not counted
---@field input_estimate? integer tokens of what is asked, for upstreams that
--- do not tell; only with counted_as
---@field disconnect? "detach"|"cancel" whether the reply goes on when its last
--- client has left; default "detach"
---@field on_finish? fun(result: tide.Result) runs as a task of its own after
--- the final commit; may yield
---@field on_delta? fun(text: string, kind: "content"|"reasoning", final: boolean): string
--- gets each piece of the reply and returns what readers get instead; at the
--- end once for each kind with "" and final; runs outside of any task; tool
--- calls do not pass through it
---@field play? {text: string, reasoning?: string, tool_calls?: string, piece?: integer, first_ms?: integer, pace_ms?: integer, error?: string}
--- instead of an upstream: send this text at this pace, then fail with `error`
--- (a code) when given. `tool_calls` are lines as in tide.Result, sent last

--- Starts producing the reply to rows that are committed already (user message
--- complete, assistant message `streaming`). Takes the turn over: it is left
--- after the reply's final commit. From here on everything happens in C:
--- pumping, checkpoints, the final commit (content, status, usage,
--- finish_reason, error_code, updated_at of message and session).
--- Only in a task.
---@param spec tide.StartSpec
---@return tide.Reply|nil reply
---@return tide.Error|nil err the assistant row was ended with status "error"
function llm.start(spec) end

--- Asks an upstream (or plays) without a session: nothing is stored, the reply
--- has no ids, and it is stopped when the client of the request leaves (unless
--- `disconnect` is "detach"). `spec` as for start, without turn, session and
--- messages' ids. Only in a task.
---@param spec tide.StartSpec
---@return tide.Reply|nil reply
---@return tide.Error|nil err invalid_url, address_not_allowed, invalid_header
function llm.ask(spec) end

--- The reply in flight of a session. Only in a task.
---@param user_id integer
---@param session_id string
---@return tide.Reply|nil reply
function llm.find(user_id, session_id) end

--- The reply in flight of a message. Only in a task.
---@param user_id integer
---@param message_id integer
---@return tide.Reply|nil reply
function llm.find_message(user_id, message_id) end

--- What was stored of a reply.
---@class tide.StoredReply
---@field message_id integer
---@field user_message_id? integer
---@field user_id integer
---@field content string
---@field reasoning? string
---@field tool_calls? string lines
---@field runs? string chat_messages.runs: in which order they came
---@field status string
---@field finish_reason? string
---@field error_code? string
---@field input_tokens? integer
---@field output_tokens? integer

--- A stored reply as a finished one: read and streamed from any position as
--- when it ran. Only in a task.
---@param stored tide.StoredReply
---@return tide.Reply|nil reply
---@return tide.Error|nil err busy: no memory for logs
function llm.restore(stored) end

--- Stops the running reply and ends waiting turns of a session. With `code`
--- (e.g. "session_deleted") the reply ends as error with that code.
--- Only in a task.
---@param user_id integer
---@param session_id string
---@param code? string
---@return boolean stopped there was something to stop
---@return integer|nil message_id of the reply that ran
function llm.stop(user_id, session_id, code) end

--- The outbound address policy, as far as it can be judged without DNS.
--- Only in a task.
---@param url string
---@return true|nil ok
---@return tide.Error|nil err invalid_url, address_not_allowed
function llm.check_url(url) end

--- The error that an upstream's answer with this status stands for.
---@param status integer not 2xx
---@return tide.Error err upstream_unauthorized, upstream_rate_limited, …
function llm.status_error(status) end

---@class tide.UsageEntry
---@field user_id integer
---@field model_name string
---@field input_tokens integer 0 to 1,000,000,000; more counts as that much
---@field output_tokens? integer likewise, default 0
---@field estimated? boolean

--- The statement that adds one request to the user's usage of today, for
--- db.write; what llm.start and llm.ask run by themselves.
---@param entry tide.UsageEntry
---@return table statement
function llm.usage_statement(entry) end

--- Raises when what a provider declares cannot be read: a path with a mistake,
--- a name that does not exist. Works while modules load.
---@param provider tide.Provider
---@return nil
function llm.check_provider(provider) end

--- What a file of lua/providers/ returns: data for the core, functions for
--- requests. docs/providers.md explains it.
---@class tide.Provider
---@field name string
---@field base_url? string of configurations without an address; nil = they
--- need one
---@field framing "sse"|"json_lines"
---@field done? string data of the last event, e.g. "[DONE]"
---@field stream tide.Paths where things are in a stream event
---@field whole tide.Paths where things are in an answer that is not streamed
---@field finish_reasons? table<string, string> the upstream's word -> OpenAI's
---@field error_codes? table<string|integer, string> the upstream's name of an
--- error -> ours
---@field images? boolean|string[]|fun(model: string): boolean which models
--- take images: patterns of their names
---@field notes? string for people
---@field build fun(request: tide.ProviderRequest): tide.ProviderCall
---@field embed? fun(request: tide.ProviderRequest): tide.ProviderCall asks for
--- embeddings: `options` is the client's whole request, `messages` is absent;
--- the answer is OpenAI's

--- A path into JSON, or several for the same thing.
---@alias tide.Path string|string[]

---@class tide.Paths
---@field content? tide.Path
---@field reasoning? tide.Path
---@field finish_reason? tide.Path
---@field input_tokens? tide.Path
---@field output_tokens? tide.Path
---@field error? tide.Path there and not null: the upstream reports an error
---@field error_type? tide.Path its name for that error
---@field ended? tide.Path there, not null and not false: the stream is complete
---@field tool_calls? tide.CallPaths

---@class tide.CallPaths
---@field index? tide.Path which call a piece belongs to
---@field id? tide.Path
---@field name? tide.Path
---@field arguments? tide.Path a piece of JSON text, or an object
---@field extra? tide.Path what the upstream wants back with the call
---@field extra_key? string under which dotted key of a call it is handed on

--- The HTTP request that asks.
---@class tide.ProviderCall
---@field url string
---@field headers table<string, string|tide.Secret|table>
---@field body table|string

--- A message in OpenAI's form.
---@class tide.ChatMessage
---@field role "system"|"user"|"assistant"|"tool"
---@field content? string|table[] text, or a list of parts
---@field tool_calls? table[] of an assistant
---@field tool_call_id? string of a tool's result

--- What is asked, in OpenAI's form whatever the provider speaks.
---@class tide.ProviderRequest
---@field base_url string
---@field key tide.Secret
---@field model string
---@field messages tide.ChatMessage[]
---@field max_tokens? integer of the answer
---@field tools? table[] what the model may call
---@field tool_choice? string|table
---@field options? table<string, any> further fields of OpenAI's request
--- (temperature, top_p, stop, max_completion_tokens, …) as the client sent
--- them, checked by nobody; a provider maps those that it knows

return llm
