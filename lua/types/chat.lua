---@meta tide.chat

--- Questions to models, and turns of conversations. Every function is told the
--- id of a user, and finds only what is that user's: anything else is as if it
--- were not there. A wrong type, or a member that does not exist, raises.
---
--- ```lua
--- local title, err = chat.ask({
---   user = turn.user_id,
---   models = { "small", "big" },
---   messages = {
---     { role = "system", content = "Give this a title of six words." },
---     { role = "user", content = turn.message },
---   },
---   timeout = 3000,
--- })
--- ```
---@class tide.chat
local chat = {}

--- A question.
---@class tide.Question
---@field user integer whose models answer, and whose usage it counts as
---@field models string[] names, as the user calls them: the first that answers
--- well
---@field messages tide.ChatMessage[]
---@field schema? Schema the answer is an object of this form, as a body of a
--- request; the model is told so
---@field tools? table<string, tide.Tool> what the model may call first. A tool
--- with `approve` does not run where somebody would have to be asked
---@field max_tokens? integer
---@field timeout? integer ms for each model, its calls of tools included;
--- default: the deadlines of its configuration

--- Asks a model and waits for its answer. The models are tried in order: the
--- next one is asked when one fails, has no configuration, or answers in another
--- form than `schema`. Nothing is stored and hooks do not see it, so they may
--- ask too.
---@async
---@param question tide.Question
---@return any answer the text; with `schema` a table of its members
---@return tide.Error|nil err of the last model: no_api_for_model, limit_reached,
--- answer_malformed, too_many_tool_rounds, those of upstreams
function chat.ask(question) end

--- What a turn begins with.
---@class tide.TurnSpec
---@field user integer
---@field session string its id; one that does not exist yet begins with it
---@field message? string may be absent with `files` or `again`
---@field files? integer[] ids of files of the session, see files.write
---@field system? string instead of the persona's prompt, for this turn
---@field tools? table[] in OpenAI's form, beside those of this server: calls of
--- them end the reply with the finish reason "tool_calls"
---@field tool_choice? "auto"|"none"|"required"
---@field model? string default: the session's; a new session needs one
---@field persona? string
---@field parent? integer id of the reply that the message follows; 0: a new root;
--- default: the newest message
---@field again? integer id of a reply: another one is made beside it
---@field options? table for the model, as at POST /api/chat/message
---@field language? "zh"|"en" default "en"

--- Begins a turn: message and reply are stored, whoever views the session can
--- read along and come back to it, hooks and tools take part. It waits for its
--- place in the session's queue, so it must not be called by a hook or a tool of
--- a turn in the same session. A hook that calls it is called for that turn too;
--- more than 4 turns within the hooks of one another raise. The reply goes on
--- without this task; `reply:wait()` waits for its end, and a handler may return
--- `{ stream = reply }`.
---@async
---@param turn tide.TurnSpec
---@return tide.Reply|nil reply
---@return tide.Error|nil err missing_field, session_not_found, session_busy,
--- message_not_found, not_a_reply, file_not_found, no_api_for_model,
--- unknown_persona, limit_reached, those of hooks
function chat.turn(turn) end

--- A message as the API shows it, see docs/api.md.
---@class tide.HistoryMessage
---@field id integer
---@field role "user"|"assistant"|"system"
---@field content string
---@field reasoning string
---@field status "complete"|"streaming"|"stopped"|"error"|"interrupted"|"waiting"
---@field finish_reason? string
---@field error? {code: string, text: string}
---@field parent_id? integer json.null of a root
---@field siblings integer[] ids of all messages with its parent
---@field file_ids integer[]
---@field model_name string
---@field usage? tide.Usage
---@field tool_calls? table[]
---@field steps? table[] calls of this server's tools, and their results
---@field created_at string

---@class tide.HistoryPage
---@field limit? integer at most 100, which is the default
---@field before? integer id of the first message of the page that follows
---@field leaf? integer where the path ends; default: the newest message

--- Messages of a session, oldest first: the last ones of the path from the root
--- to a leaf. The text so far of a reply that runs is there.
---@async
---@param user integer
---@param session string
---@param page? tide.HistoryPage
---@return tide.HistoryMessage[]|nil messages
---@return tide.Error|nil err session_not_found, message_not_found
function chat.history(user, session, page) end

---@class tide.ChatSession
---@field session_id string
---@field title string
---@field model_name string
---@field persona string
---@field message_count integer
---@field options? table
---@field created_at string
---@field updated_at string

--- A session.
---@async
---@param user integer
---@param session string
---@return tide.ChatSession|nil session
---@return tide.Error|nil err session_not_found
function chat.session(user, session) end

---@class tide.SessionPage
---@field limit? integer at most 100, which is the default
---@field offset? integer
---@field source? "chat"|"responses" default "chat"

--- A user's sessions, last changed first.
---@async
---@param user integer
---@param page? tide.SessionPage
---@return tide.ChatSession[]|nil sessions
---@return integer|tide.Error total how many there are
function chat.sessions(user, page) end

---@class tide.AppendSpec
---@field user integer
---@field session string one that does not exist yet begins with it
---@field message string the user's
---@field reply string
---@field model? string whose reply it is; default: the session's
---@field parent? integer as of tide.TurnSpec
---@field persona? string
---@field language? "zh"|"en" of a new session's title, default "en"

--- Stores a message and a reply to it that came from somewhere else: no model is
--- asked, and hooks do not see it. Waits until no reply runs in the session.
---@async
---@param messages tide.AppendSpec
---@return {user_message_id: integer, message_id: integer}|nil ids
---@return tide.Error|nil err missing_field, session_not_found,
--- message_not_found, not_a_reply, unknown_persona, session_busy
function chat.append(messages) end

---@class tide.BranchSpec
---@field user integer
---@field session string
---@field message? integer id of the last reply that comes along; default: the
--- newest
---@field title? string default: the session's

--- Copies the messages that lead to a reply into a new session, where the
--- conversation can go another way; at most the last 2,000. Files stay where they
--- are. (Within a session, chat.turn with `parent` begins a branch.)
---@async
---@param from tide.BranchSpec
---@return tide.ChatSession|nil session the new one
---@return tide.Error|nil err session_not_found, message_not_found, not_a_reply,
--- session_busy
function chat.branch(from) end

--- Stops the running reply of a session and ends turns that wait there. The text
--- so far is stored. On another node too (scaling.md); then it returns when the
--- reply has ended.
---@async
---@param user integer
---@param session string
---@return boolean|nil stopped false: nothing ran
---@return integer|tide.Error|nil message_id of the reply that ran; or
--- session_not_found, session_busy: the other node did not end it
function chat.stop(user, session) end

--- Gives a session another title: one line of at most 200 characters.
---@async
---@param user integer
---@param session string
---@param title string
---@return tide.ChatSession|nil session
---@return tide.Error|nil err session_not_found, missing_field
function chat.title(user, session, title) end

return chat
