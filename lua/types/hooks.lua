---@meta
--- The hooks: what a file of lua/hooks/ may define. All are optional, and one
--- that nobody defines costs nothing.

--- A turn of a conversation, as hooks see it; a request of the OpenAI routes
--- is one as well, and its contents may come in parts.
---@class tide.HookTurn
---@field user_id integer
---@field session_id string "" of an OpenAI request: nothing is stored
---@field model_name string
---@field persona string name of the one who speaks
---@field language "zh"|"en" of texts for people
---@field first boolean it is the session's first turn
---@field message string what the user wrote
---@field messages tide.ChatMessage[] what the model will get:
--- the system prompt, the history, the message; may be changed in before_llm
---@field title string what the session is called from this turn on; may be
--- changed in before_llm

--- A filter of one reply's text, see on_delta. It may wait for nothing.
---@alias tide.DeltaFilter fun(text: string, final: boolean): string|nil

---@class tide.Hooks
local Hooks = {}

--- Before a request's handler, when it is known who asks (`req.user`, nil on
--- open routes) and before its arguments and body are read; yields. What it
--- returns is the answer, the handler is not asked then.
---@param req tide.Request
---@param route tide.Route
---@return tide.Response|nil response nil: go on
---@return tide.Error|nil err the request is refused with it
function Hooks.on_request(req, route) end

--- After the handler, or after whatever refused the request before it; yields.
--- Not called for what the core answers by itself (404, 405, 413, /livez).
---@param req tide.Request
---@param route tide.Route
---@param response tide.Response|nil what is going to be answered
---@param err tide.Error|nil likewise, when it is an error
---@return tide.Response|nil response instead; nil and nil: as it is
---@return tide.Error|nil err
function Hooks.on_response(req, route, response, err) end

--- Whether a user may ask a model once more; before policy/quota.lua, which
--- knows the limits of the settings. Pure: it decides by what it is given.
---@param use QuotaUse
---@return integer|nil retry_after seconds to wait, the request is answered with
--- 429; nil: the policy is asked
function Hooks.quota(use) end

--- Before the model is asked and before anything of the turn is stored;
--- yields. `turn.messages` and `turn.title` may be changed.
---@param turn tide.HookTurn
---@return nil
---@return tide.Error|nil err the turn is refused with it
function Hooks.before_llm(turn) end

--- Called once a reply and kind of text; the function that it returns gets each
--- piece of the reply as it comes (whole characters) and returns what readers
--- get and the database keeps. "" holds the piece back, nil leaves it as it is.
--- At the end it is called once more with an empty text and `final` true, and
--- returns what is left. An error in it ends the reply with code hook_failed.
---@param turn tide.HookTurn
---@param kind "content"|"reasoning"
---@return tide.DeltaFilter|nil filter nil: this reply is left alone
function Hooks.on_delta(turn, kind) end

--- When the reply has ended and is stored, however it has ended; yields. A task
--- of its own: the client may be gone.
---@param turn tide.HookTurn
---@param result tide.Result
---@return nil
function Hooks.after_llm(turn, result) end
