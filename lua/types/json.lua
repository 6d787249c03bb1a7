---@meta tide.json

--- Strict JSON (RFC 8259).
---
--- ```lua
--- local value, err = json.decode(answer.body)
--- local text = json.encode({ items = json.array(), note = json.null })
--- ```
---@class tide.json
---@field null lightuserdata JSON null, SQL NULL
local json = {}

--- Whole numbers up to 2^53 become integers, null becomes json.null, and empty
--- arrays remain arrays. U+0000 becomes U+FFFD.
---@param text string|tide.Raw valid UTF-8
---@return any value
---@return tide.Error|nil err invalid_json
function json.decode(text) end

--- Tables with [1] or marked by json.array are arrays, others objects, with
--- their members sorted by name. Raises on values that JSON cannot express:
--- functions, cycles, secrets, keys of other types.
---@param value any
---@return string text without spaces
function json.encode(value) end

--- The same for people: one line per entry, two spaces per level.
---@param value any
---@return string text without a line break at its end
function json.pretty(value) end

--- Marks a table as an array, so that an empty one is "[]".
---@generic T: table
---@param t? T default {}
---@return T t
function json.array(t) end

--- Whether a table would be encoded as an array.
---@param t table
---@return boolean is_array
function json.is_array(t) end

--- JSON as it came: checked, and opaque until json.decode reads it. Wherever it
--- is encoded, its bytes are written as they are: members in their order,
--- numbers as written. Fields of type `json` in a request's schema are such
--- values, and lists that db.json has written.
---
--- ```lua
--- local raw = json.raw('{"b": 1.0, "a": [1, 2]}')
--- raw:set("a.0", "one")
--- print(raw:get("b"), tostring(raw)) -- 1  {"b":1.0,"a":["one",2]}
--- ```
---@param text string
---@return tide.Raw|nil raw
---@return tide.Error|nil err invalid_json
function json.raw(text) end

--- Whether a value is a tide.Raw.
---@param value any
---@return boolean is_raw
function json.is_raw(value) end

--- A document, or a part of one. Paths are keys with dots between them, and list
--- indexes as numbers from 0: "messages.0.role". `tostring` gives its text.
---@class tide.Raw
local Raw = {}

--- A part: a text, number, boolean or json.null; of lists and objects another
--- tide.Raw, which has its own bytes.
---@param path string|integer
---@return any part nil when there is none
function Raw:get(path) end

--- Several members of an object, found in one pass.
---@param ... string names, at most 16
---@return any ... what `get` returns for each
function Raw:members(...) end

--- Changes a part in place; nil removes it. A new member or item comes last.
---@param path string|integer
---@param value any what json.encode takes
---@return boolean done false when there is no such place
function Raw:set(path, value) end

--- An object with other members: changed ones stay in their places, new ones
--- follow, sorted by name.
---@param changes table<string, any>
---@param without? string[] members to leave out
---@return tide.Raw raw a new one
function Raw:with(changes, without) end

--- Walks the items of a list or the members of an object, in their order.
---@return fun(): integer|string, any next index (from 0) or key, and the part as
--- from `get`
function Raw:each() end

--- What a part is, without reading it.
---@param path? string|integer nil: the whole
---@return "object"|"array"|"string"|"number"|"boolean"|"null"|nil type nil when
--- there is no such part
function Raw:type(path) end

return json
