---@meta tide.test

--- For the files of lua/tests/ (`tidetalk test`), which run in a real server
--- with its own data folder, a real database and real replies, but with a
--- scripted model and no network.
---
--- ```lua
--- test.case("says hello", function()
---   local user = test.user()
---   local answer = test.request({ path = "/api/hello", user = user })
---   test.equal(answer.json, { message = "Hello, " .. user.username })
--- end)
--- ```
--- Outside of `tidetalk test` every call raises.
---@class tide.test
local test = {}

--- Declares a case. Only at the top level of a test file. Each case runs alone,
--- in its own server.
---@param name string
---@param fn async fun() may wait; the case fails with the error that it raises
---@return nil
function test.case(name, fn) end

---@class tide.TestUser
---@field id integer
---@field username string
---@field email string
---@field created_at string
---@field token string
---@field model string name of the (first) scripted model
---@field role? "user"|"admin" if it was asked for

---@class tide.TestUserSpec
---@field model? string the model's name, default "scripted"
---@field models? string[] several models in place of one
---@field role? "user"|"admin"

--- A new account, logged in, that may talk to the scripted model.
---@async
---@param spec? string|tide.TestUserSpec a text is the model's name
---@return tide.TestUser
function test.user(spec) end

---@class tide.TestRequest
---@field path string with the query
---@field method? string default "GET", with a body "POST"
---@field user? tide.TestUser the caller; nil = nobody
---@field json? any the body, encoded
---@field body? string instead of json
---@field headers? table<string, string>

---@class tide.TestResponse
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string
---@field json? any the body, when it is JSON
---@field frames? table[] of a stream: the frames, decoded

--- Sends a request to the server under test, over HTTP.
---@async
---@param request tide.TestRequest
---@return tide.TestResponse
function test.request(request) end

--- One answer of the model: its pieces in order, and how they are sent.
---@class tide.TestAnswer
---@field [integer]? string a piece of the text
---@field model? string the model that gives it; without it, models that have
--- no answers of their own
---@field tool_calls? {name: string, arguments?: table|string, id?: string}[]
--- after the text
---@field reasoning? string sent first
---@field pace_ms? integer milliseconds before each piece
---@field finish_reason? string default "stop"
---@field usage? tide.Usage
---@field cut? boolean the connection ends in the middle
---@field status? integer HTTP status, default 200
---@field retry_after? integer seconds
---@field body? string sent unchanged, instead of all of the above

--- Queues answers of models, one per question, in this order, after those that
--- are left. Each model that is named in an answer has a queue of its own, all
--- others share one. When there are more questions than answers, it answers
--- 500.
---
--- ```lua
--- test.upstream({ model = "small", "A title" }, "An answer", {
---   tool_calls = { { name = "get_weather", arguments = { city = "Ys" } } },
--- })
--- ```
---@param ... string|string[]|tide.TestAnswer
---@return nil
function test.upstream(...) end

--- The decoded bodies of all requests that the model has received.
---@return table[]
function test.asked() end

--- An answer of another server: a text is the body of a 200.
---@class tide.TestHttpAnswer
---@field status? integer default 200
---@field headers? table<string, string>
---@field json? any the body, encoded
---@field body? string instead of json
---@field retry_after? integer seconds
---@field pace_ms? integer milliseconds before the answer

--- Answers requests to another server (http.request, an embedding service, a
--- provider's address), in this order; the last answer is given again and
--- again. Servers without answers cannot be reached.
---@param url string without a query it stands for any; "…*" for all that begin
--- so
---@param ... string|tide.TestHttpAnswer
---@return nil
function test.http(url, ...) end

---@class tide.TestHttpRequest
---@field method string
---@field url string
---@field headers table<string, string> names in lower case
---@field body string
---@field json? any the body, when it is JSON

--- All requests so far that test.http has answered.
---@return tide.TestHttpRequest[]
function test.http_asked() end

--- Sets the clock: of the server, its database rows and tokens, of tide.time and
--- os.time. It goes on from there. Timers do not become due by it.
---@param time string|integer "2026-03-01T08:00:00Z", or seconds since 1970
---@return nil
function test.time(time) end

--- Sets the clock forward.
---@param ms integer
---@return nil
function test.advance(ms) end

--- Runs a timer's function now, and returns when it is over. Raises when that
--- failed.
---@async
---@param name string of timer.every or timer.cron; "PLUGIN.NAME" for a plugin's
---@return nil
function test.tick(name) end

--- From now on only these hooks are called, in this order.
---@param hooks (string|tide.Hooks)[] modules ("hooks.audit_log"), plugins, or
--- tables of functions; {}: none
---@return nil
function test.hooks(hooks) end

--- Fails unless both are equal; tables are compared by content.
---@param actual any
---@param expected any
---@param what? string named in the failure
---@return nil
function test.equal(actual, expected, what) end

--- Fails unless the text contains this part (plain text, not a pattern).
---@param text string
---@param part string
---@return nil
function test.contains(text, part) end

--- Fails when the value is nil or false.
---@generic T
---@param value T
---@param what? string named in the failure
---@return T value
function test.truthy(value, what) end

--- Calls the probe until it returns true, for up to ten seconds. For things
--- that happen after an answer, such as after_llm.
---@async
---@generic T
---@param what string named in the failure
---@param probe async fun(): T may wait
---@return T what the probe returned
function test.eventually(what, probe) end

return test
