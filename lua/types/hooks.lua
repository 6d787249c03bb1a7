---@meta
--- The hooks: what a file of lua/hooks/ may define. All are optional, and a
--- hook that nobody defines costs nothing.

--- A turn of a conversation, as hooks see it. A request of the OpenAI routes is
--- a turn too, and its message contents may be lists of parts.
---@class tide.HookTurn
---@field user_id integer
---@field session_id string "" of an OpenAI request: nothing is stored
---@field model_name string
---@field persona string name of the persona that answers
---@field language "zh"|"en" of texts for people
---@field first boolean it is the session's first turn
---@field message string what the user wrote
---@field messages tide.ChatMessage[] what the model will get:
--- the system prompt, the history, the message; may be changed in before_llm. Of
--- an OpenAI request they are read when a hook asks for them, and then sent as the
--- hook leaves them; until then they are sent as they came
---@field title string the session's title from this turn on; may be changed in
--- before_llm

--- A filter of one reply's text, see on_delta. It must not wait.
---@alias tide.DeltaFilter fun(text: string, final: boolean): string|nil

---@class tide.Hooks
local Hooks = {}

--- Called before a request's handler, when the caller is known (`req.user`, nil
--- on open routes) and before its arguments and body are read; may yield. If it
--- returns an answer, the handler is not called.
---@param req tide.Request
---@param route tide.Route
---@return tide.Response|nil response nil: continue
---@return tide.Error|nil err the request is refused with it
function Hooks.on_request(req, route) end

--- Called after the handler, or after the step that refused the request before
--- it; may yield. Not called for requests that the core answers itself (404,
--- 405, 413, /livez).
---@param req tide.Request
---@param route tide.Route
---@param response tide.Response|nil the answer that will be sent
---@param err tide.Error|nil the same, if it is an error
---@return tide.Response|nil response to send instead; nil and nil: no change
---@return tide.Error|nil err
function Hooks.on_response(req, route, response, err) end

--- Decides whether a user may call a model again; called before
--- policy/quota.lua, which knows the limits of the settings. Pure: it uses only
--- its argument.
---@param use QuotaUse
---@return integer|nil retry_after seconds to wait: the request is answered with
--- 429; nil: the policy decides
function Hooks.quota(use) end

--- Called before the model is called and before anything of the turn is stored;
--- may yield. `turn.messages` and `turn.title` may be changed.
---@param turn tide.HookTurn
---@return nil
---@return tide.Error|nil err the turn is refused with it
function Hooks.before_llm(turn) end

--- Called once per reply and kind of text. The function that it returns gets
--- each piece of the reply as it arrives (whole characters) and returns the text
--- that readers get and the database stores. "" holds the piece back, nil leaves
--- it unchanged. At the end it is called once more with an empty text and
--- `final` true, and returns the rest. An error in it ends the reply with code
--- hook_failed.
---@param turn tide.HookTurn
---@param kind "content"|"reasoning"
---@return tide.DeltaFilter|nil filter nil: this reply is not filtered
function Hooks.on_delta(turn, kind) end

--- Called before a tool of this server runs; may yield. `call.arguments` may be
--- changed.
---@param turn tide.HookTurn
---@param call {id: string, name: string, arguments: table}
---@return any result the model gets it instead of the tool's; nil: the tool runs
---@return tide.Error|string|nil err the model is told this, and the tool does not
--- run
function Hooks.on_tool(turn, call) end

--- Called when the reply has ended, in whatever way, and is stored; may yield.
--- It runs as its own task: the client may be gone.
---@param turn tide.HookTurn
---@param result tide.Result
---@return nil
function Hooks.after_llm(turn, result) end
