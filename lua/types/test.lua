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
---@param fn fun() may wait; the case fails with the error that it raises
---@return nil
function test.case(name, fn) end

---@class tide.TestUser
---@field id integer
---@field username string
---@field email string
---@field created_at string
---@field token string
---@field model string name of the scripted model

--- A new account, logged in, that may talk to the scripted model.
---@async
---@param model? string the model's name, default "scripted"
---@return tide.TestUser
function test.user(model) end

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
---@field [integer] string a piece of the text
---@field reasoning? string sent first
---@field pace_ms? integer milliseconds before each piece
---@field finish_reason? string default "stop"
---@field usage? tide.Usage
---@field cut? boolean the connection ends in the middle
---@field status? integer HTTP status, default 200
---@field retry_after? integer seconds
---@field body? string sent unchanged, instead of all of the above

--- Queues answers of the model, one per question, in this order, after those
--- that are left. When there are more questions than answers, it answers 500.
---@param ... string|tide.TestAnswer
---@return nil
function test.upstream(...) end

--- The decoded bodies of all requests that the model has received.
---@return table[]
function test.asked() end

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
---@param probe fun(): T may wait
---@return T what the probe returned
function test.eventually(what, probe) end

return test
