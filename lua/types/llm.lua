---@meta tide.llm

--- Turns, and the replies of models. chat/turns.lua decides what a turn stores;
--- a provider's script (lua/providers/) builds the request to the provider.
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

--- A place in a session's queue of turns. It is given back automatically when
--- the task ends, unless llm.start took it over.
---@class tide.QueuePlace
local QueuePlace = {}

--- Gives the place back: the next turn begins. Harmless when it was already
--- given back or taken over; also done by `local turn <close>`.
---@return nil
function QueuePlace:leave() end

---@class tide.TurnLease what the rows of a turn have when servers share the
--- database
---@field generation integer number of the scripts that begin the turn
---@field node integer id of this server
---@field epoch integer number of the turn: no other one has it
---@field replies_max? integer the user has so many running replies that the
--- database must tell whether one more may run: at most so many, on all servers

--- What says in the rows of this turn whose it is.
---@return tide.TurnLease|nil lease nil when the database is not shared
function QueuePlace:lease() end

--- Waits for the session's turn: one at a time, in order of arrival, on all
--- workers together; four may wait.
---@async
---@param user_id integer
---@param session_id string
---@param disconnect? "detach"|"cancel" whether the wait ends when the client
--- leaves; default "detach": it does not
---@return tide.QueuePlace|nil turn
---@return tide.Error|nil err session_busy, too_many_replies, session_deleted,
--- stopped, client_gone
function llm.enter(user_id, session_id, disconnect) end

---@class tide.Usage
---@field input_tokens? integer
---@field output_tokens? integer
---@field cached_tokens? integer of the input those in the upstream's cache
---@field reasoning_tokens? integer of the output those of reasoning
---@field estimated? boolean the upstream did not report all of it
---@field attempts? integer number of calls, when more than one
---@field possibly_charged_twice? boolean one call was sent, got no answer, and
--- was followed by another
---@field images_left_out? integer images that came with it and are no files of
--- its message: they were too many or too large, or there was no room

--- The outcome of a reply.
---@class tide.Result
---@field message_id integer
---@field user_message_id integer
---@field content string
---@field reasoning string
---@field tool_calls string lines of JSON, each a list of deltas as OpenAI
--- streams them; providers/tool_calls joins them; "" = none
---@field steps string lines of JSON: what was done between its parts, see
--- chat/tool_steps.lua; "" = nothing
---@field status "complete"|"stopped"|"error"|"interrupted"|"waiting"
---@field finish_reason? string
---@field usage? tide.Usage
---@field file_ids? integer[] the images that came with it, as files of its
--- message
---@field notes? string JSON: a list of what the upstream noted between the
--- texts, objects with `signature` or `redacted` (see tide.Paths)
---@field http_status integer of the upstream's answer; 0 when there was none
---@field error? tide.Error when status is "error"

--- A running reply: it belongs to the server and continues without the request.
--- The value is valid until the request (or timer, or hook) that got it ends.
---@class tide.Reply
---@field message_id integer
---@field user_message_id integer
local Reply = {}

--- Waits until the reply is finished and committed.
---@async
---@return tide.Result result
function Reply:wait() end

--- Waits until the reply is finished and committed, like `wait`, for those who
--- do not need its text.
---@async
---@return "complete"|"stopped"|"error"|"interrupted"|"waiting" status
---@return tide.Error|nil err when the status is "error"
function Reply:ended() end

--- Waits for the first bytes, at most `ms`.
---@async
---@param ms integer milliseconds
---@return "waiting"|"running"|"finished" state
function Reply:first(ms) end

--- More of the text: waits until there is text after `position`.
---@async
---@param position integer 0 at first, then what the last call returned
---@return string|nil content nil at the end of the reply
---@return integer|nil position after it
function Reply:read(position) end

--- The state of the reply; "produced" is complete, but not committed yet.
---@return "waiting"|"running"|"produced"|"finished" state
function Reply:state() end

--- The text so far.
---@param kind? "content"|"reasoning"|"tool_calls"|"steps" default "content"; the
--- last two are lines
---@return string text
function Reply:text(kind) end

--- What the upstream sent beside the text, once the reply is produced: by the
--- names that its provider's script gives (tide.Paths, `carried`), and `images`
--- that came with their bytes, as parts in OpenAI's form.
---@return string|nil json an object; nil = nothing
function Reply:carried() end

--- The length of the log: content and reasoning. Positions are within it.
---@return integer bytes
function Reply:length() end

--- Whether a position is one that no client can have received.
---@param position integer
---@return boolean splits no frame ends there: it is inside a character, or
--- inside an entry of tool calls
function Reply:splits(position) end

--- What names an answer of OpenAI's completions.
---@class tide.Completion
---@field form "chat"|"text"
---@field id string
---@field created integer seconds since 1970
---@field model string

--- A finished reply as the whole answer of OpenAI's completions.
---@param completion tide.Completion
---@return tide.Raw object
function Reply:completion(completion) end

--- The reply as an object of OpenAI's Responses. While it runs the object has
--- no output and no usage.
---@param response {id: string, head: string} `head` is a JSON object with the
--- members that never change
---@param error? string the text of the error with which it ended
---@param code? string its code for clients of this API; nil = the reply's own
---@return tide.Raw object
function Reply:response(response, error, code) end

--- Stops the reply; the partial text is stored with status "stopped".
---@return nil
function Reply:stop() end

--- An upstream that can be called for a reply.
---@class tide.Candidate
---@field provider tide.Provider
---@field url string
---@field headers? table
---@field body? table|string
---@field deadlines? ApiDeadlines
---@field template? tide.Template instead of all of the above; a `body` beside it
--- is sent instead of the template's
---@field messages? tide.Messages|table[] with `template`: that member of the body
---@field body_of? integer number of an earlier candidate whose body it has too
---@field group? integer the same in the candidates that are one configuration
--- with several keys: where a key is refused, the next one is tried; other
--- failures are the same for all of them
---@field configuration? integer with `model`: whose failures are counted
--- together
---@field model? string
---@field version? integer of the configuration
---@field refused? string names of parameters that the service refuses, with
--- commas between them: these are left out

--- The order in which candidates are called; see policy/upstream. There is
--- another step only before the reply's first byte.
---@class tide.RetryPlan
---@field steps? {candidate: integer, wait: integer}[] at most 32; the wait is
--- in ms, before the call
---@field retry_after_max? integer longest Retry-After to obey, in ms; default 0
---@field after_send? boolean also after a request was sent and got no answer
---@field after_empty? boolean also after an answer without text
---@field force? boolean also when the upstream is known to be down

--- The reply to produce, and the rows that it belongs to.
---@class tide.StartSpec
---@field turn tide.QueuePlace
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
---@field deadlines? ApiDeadlines ms; absent ones are as in the settings
---@field template? tide.Template instead of the five fields above, see
--- tide.Candidate
---@field messages? tide.Messages|table[] with `template`: that member of the body
---@field candidates? tide.Candidate[] instead of the fields above: the
--- upstreams to call, at most 16
---@field retry? tide.RetryPlan default: each candidate once, in order
---@field keep_empty? boolean an answer with a finish reason and without text
--- is complete; default: the error upstream_empty, or what the reason means
---@field counted_as? string the model name under which the tokens are added to
--- the user's usage; absent = they are not counted
---@field input_estimate? integer tokens of the input, for upstreams that do not
--- report them; only with counted_as
---@field disconnect? "detach"|"cancel" whether the reply continues when its
--- last client has left; default "detach"
---@field image_room? tide.ImageRoom with llm.start: images that come with the
--- reply become files of its message, as far as there is room
---@field on_finish? fun(result: tide.Result) runs as its own task after the
--- final commit; may yield
---@field on_delta? fun(text: string, kind: "content"|"reasoning", final: boolean): string, "stop"|nil, string|nil
--- gets each piece of the reply and returns what readers get instead; at the
--- end it is called once per kind with "" and final; it runs outside any task;
--- tool calls do not pass through it. With "stop" behind the text the reply ends
--- there: the upstream is closed, the status is "complete", and the finish
--- reason the third value (default "stop", at most 31 bytes)
---@field produce? fun(out: tide.Output) instead of an upstream, with llm.start:
--- produces the reply in parts, as a task of its own, and ends it
---@field continues? tide.StoredReply with `produce`: the log that the reply
--- begins with
---@field play? {text: string, reasoning?: string, tool_calls?: string, piece?: integer, first_ms?: integer, pace_ms?: integer, error?: string, finish_reason?: string}
--- instead of an upstream: send this text at this pace, then fail with `error`
--- (a code) when given. `tool_calls` are lines as in tide.Result, sent last

--- What files may take.
---@class tide.ImageRoom
---@field user_bytes integer bytes of all files of the user
---@field session_files integer files of the session

--- A part of a reply: the answer of one upstream.
---@class tide.Part
---@field content string
---@field reasoning string
---@field tool_calls string lines, as of tide.Result; they are not in the reply
---@field status "complete"|"stopped"|"error"|"interrupted"
---@field finish_reason? string
---@field usage? tide.Usage
---@field http_status integer
---@field error? tide.Error

--- What a reply in parts is written to. Once the reply has ended, its functions
--- raise.
---@class tide.Output
local Output = {}

--- Asks for one more part, which is appended as it arrives, and waits for its
--- end. If somebody stops the reply, this task ends here.
---@async
---@param spec table a tide.StartSpec of which only the source counts: provider,
--- url … or candidates, retry, play, input_estimate
---@return tide.Part|nil part
---@return tide.Error|nil err it could not be asked
function Output:ask(spec) end

--- Appends text.
---@param text string valid UTF-8
---@param kind? "content"|"reasoning" default "content"
---@return true|nil ok
---@return tide.Error|nil err reply_too_long
function Output:text(text, kind) end

--- Appends steps: what happened between two parts. Streams send each as a frame.
---@param lines string lines of JSON, each an object
---@return true|nil ok
---@return tide.Error|nil err reply_too_long
function Output:step(lines) end

--- Passes tool calls of a part on to the client.
---@param lines string as of tide.Part
---@return true|nil ok
---@return tide.Error|nil err reply_too_long
function Output:tool_calls(lines) end

--- Waits until all that was appended is in the database.
---@async
---@return nil
function Output:store() end

--- Ends the reply. Its usage is that of all parts.
---@param outcome {status?: string, finish_reason?: string, error?: tide.Error}
--- a tide.Part is one; default status "complete"
---@return nil
function Output:finish(outcome) end

--- Starts producing the reply for rows that are already committed (user message
--- complete, assistant message `streaming`). It takes over the turn, which ends
--- after the reply's final commit. From here on everything happens in C: reading
--- the stream, checkpoints, the final commit (content, status, usage,
--- finish_reason, error_code, updated_at of message and session).
--- Only in a task.
---@param spec tide.StartSpec
---@return tide.Reply|nil reply
---@return tide.Error|nil err the assistant row has ended with status "error"
function llm.start(spec) end

--- Calls an upstream (or plays a text) without a session: nothing is stored, the
--- reply has no ids, and it is stopped when the client of the request leaves
--- (unless `disconnect` is "detach"). `spec` is as for start, without turn,
--- session and message ids. Only in a task.
---@param spec tide.StartSpec
---@return tide.Reply|nil reply
---@return tide.Error|nil err invalid_url, address_not_allowed, invalid_header,
--- too_many_replies
function llm.ask(spec) end

--- What requests to an upstream have in common: provider, address, headers with
--- their keys, deadlines, and the members of the body other than `messages`.
---@class tide.Template

--- Compiles a request, to be used for many. `call.body` is a table; its member
--- `messages` is left out.
---@param call tide.Candidate
---@return tide.Template
function llm.template(call) end

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

--- A reply as it was stored.
---@class tide.StoredReply
---@field message_id integer
---@field user_message_id? integer
---@field user_id integer
---@field content string
---@field reasoning? string
---@field tool_calls? string lines
---@field steps? string lines
---@field runs? string chat_messages.runs: the order in which the kinds came
---@field file_ids? string JSON: a list of the message's files
---@field images? tide.Image[] that it carries, of files.read_image
---@field status string
---@field finish_reason? string
---@field error_code? string
---@field input_tokens? integer
---@field output_tokens? integer
---@field cached_tokens? integer
---@field reasoning_tokens? integer
---@field estimated? boolean
---@field attempts? integer
---@field possibly_charged_twice? boolean
---@field images_left_out? integer
---@field ended_us? integer when it ended: microseconds since 1970

--- Turns a stored reply into a finished one that can be read and streamed from
--- any position, as when it ran. Only in a task.
---@param stored tide.StoredReply
---@return tide.Reply|nil reply
---@return tide.Error|nil err busy: no memory for logs
function llm.restore(stored) end

--- Stops the running reply and ends the waiting turns of a session. With `code`
--- (e.g. "session_deleted") the reply ends as an error with that code.
--- Only in a task.
---@param user_id integer
---@param session_id string
---@param code? string
---@return boolean stopped there was something to stop
---@return integer|nil message_id of the reply that was running
function llm.stop(user_id, session_id, code) end

--- Checks a URL against the outbound address policy, as far as that is possible
--- without DNS. Only in a task.
---@param url string
---@return true|nil ok
---@return tide.Error|nil err invalid_url, address_not_allowed
function llm.check_url(url) end

--- The error for an upstream's answer with this status.
---@param status integer not 2xx
---@param body? string that came with it, which may say more
---@return tide.Error err upstream_unauthorized, upstream_rate_limited, …
function llm.status_error(status, body) end

---@class tide.UsageEntry
---@field user_id integer
---@field model_name string
---@field input_tokens integer 0 to 1,000,000,000; more counts as that much
---@field output_tokens? integer likewise, default 0
---@field estimated? boolean

--- The statement that adds one request to today's usage of the user, for
--- db.write. llm.start and llm.ask run it automatically.
---@param entry tide.UsageEntry
---@return table statement
function llm.usage_statement(entry) end

--- Raises when a provider's declaration is not valid: a mistake in a path, or an
--- unknown name. Works while modules load.
---@param provider tide.Provider
---@return nil
function llm.check_provider(provider) end

return llm
