---@meta tide.json

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

return json
