---@meta tide.schema

--- What a request may carry and what an answer looks like.
---
--- In an address or a form all values are texts: there, numbers are decimal,
--- booleans are true, false, 1, 0, on or off, and a list is a name that comes
--- more than once.
---
--- Rules of what is read: unknown fields are ignored, a required text that is
--- empty counts as missing, a wrong JSON type is an error. JSON null counts as
--- absent. The result is a new table with the declared fields only.
---@class Schema
---@field type "string"|"integer"|"number"|"boolean"|"array"|"object"|"map"|"one_of"|"parts"|"json"
--- map is an object of any names whose values all fit `items`; one_of is what the
--- first of the schemas in `one_of` takes; parts is a message's content in OpenAI's form: a text, or a list of objects.
--- json stays as it came, a tide.Raw; it is for fields of a body
---@field name? string the field's name, inside `fields`
---@field aliases? string[] other names under which clients send it
---@field required? boolean
---@field min? integer characters, items, or the number itself
---@field max? integer likewise
---@field pattern? string Lua pattern that a string must match
---@field enum? string[] the allowed strings
---@field empty_is_absent? boolean "" in an optional string means not given
---@field keep_null? boolean null stays null, instead of being left out; in rows
--- of the database NULL does
---@field column? string in rows of the database, see db.json
---@field make? fun(value: any): any likewise
---@field default? any for an absent optional field
---@field clamp? boolean integers: what lies outside of min..max is moved to
--- the bound, what is no number becomes the default
---@field items? Schema of an array, or of the values of a map
---@field one_of? Schema[] of one_of; their functions `check` are not called
---@field check? fun(value: any): string|nil what is wrong with a value that fits
--- otherwise, for the client to read; nil: nothing. It must not wait
---@field fields? Schema[] of an object
---@field open? boolean of an object: what is not declared is kept, decoded
---@field raw? boolean of a body: the value is checked and then stays as it came,
--- a tide.Raw
---@field whole? string of a body: the name under which all of it is kept as it
--- came, a tide.Raw
---@field once? boolean of a body: a declared field that is given twice is an
--- error. For bodies that are passed on: who gets them might read the other one
---@field doc? string for the docs

--- Why something does not fit a schema.
---@class tide.SchemaRefusal
---@field code "missing_field"|"invalid_field"|"invalid_json"|"too_many_values"
---@field field? string the place, such as "messages[2].role"
---@field reason? string what is wrong there, a key of lib/texts
---@field limit? integer that it broke
---@field choices? string that it may be
---@field message? string of mistakes in the JSON, or what a `check` returned

--- Reads and checks by schemas, in the core. A schema is looked at when it is
--- used for the first time: changing it later has no effect.
---
--- ```lua
--- local CITY = {
---   fields = { { name = "city", type = "string", required = true } },
--- }
--- local wish, refusal = schema.read(CITY, arguments)
--- ```
---@class tide.schema
local schema = {}

--- Reads a JSON text.
---@param schema Schema an object's; `type` may be left out
---@param json string
---@return table|nil checked
---@return tide.SchemaRefusal|nil refusal
function schema.read(schema, json) end

--- Checks texts that came in an address or a form.
---@param schema Schema an object's; `type` may be left out
---@param values table<string, string>
---@return table|nil checked
---@return tide.SchemaRefusal|nil refusal
function schema.check_texts(schema, values) end

return schema
