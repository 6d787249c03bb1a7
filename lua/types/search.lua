---@meta tide.search

--- Search in messages. The index belongs to the core, which keeps it up to date:
--- text is split into words, and Chinese, Japanese and Korean into characters
--- and pairs.
---
--- ```lua
--- local rows, err = search.find(user.id, "high tide", 20)
--- ```
---@class tide.search
local search = {}

--- Indexes the user's newest messages, so that a search finds them: the core
--- does that for everybody, but only about once per second. Does not wait when
--- there is known to be nothing to index.
---@async
---@param user_id integer
---@return true|nil ok
---@return tide.Error|nil err busy, disk_full, query_too_slow, database_error
function search.index(user_id) end

--- One page of the user's messages that contain every part of `words` between
--- blanks, newest first. The last word may be the beginning of a word, from
--- three letters on.
---@async
---@param user_id integer
---@param words string not blank
---@param limit integer
---@param offset? integer default 0
---@return {message_id: integer, session_id: string, role: string,
--- title: string, created_at: string, snippet: string}[]|nil rows
---@return tide.Error|nil err busy, query_too_slow, database_error
function search.find(user_id, words, limit, offset) end

--- The same page as JSON, by the schema of one object (db.json).
---@async
---@param user_id integer
---@param words string
---@param limit integer
---@param offset integer
---@param schema Schema
---@return tide.Raw|nil rows
---@return tide.Error|nil err those of find
function search.json(user_id, words, limit, offset, schema) end

--- The number of such messages, counted up to `limit`.
---@async
---@param user_id integer
---@param words string
---@param limit integer
---@return integer|nil count
---@return tide.Error|nil err busy, query_too_slow, database_error
function search.count(user_id, words, limit) end

return search
