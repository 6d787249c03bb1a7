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
--- arrays remain arrays.
---@param text string valid UTF-8
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

return json
