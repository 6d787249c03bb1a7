---@meta tide.search

--- Finding messages by what they say. The index belongs to the core, which
--- keeps it up to date: text is cut into words, and Chinese, Japanese and Korean
--- into characters and pairs.
---
--- ```lua
--- local rows, err = search.find(user.id, "high tide", 20)
--- ```
---@class tide.search
local search = {}

--- Indexes what the user said a moment ago, so that a search finds it: the core
--- does that for everybody, but only about once a second. Does not wait when
--- that is known at once to be nothing.
---@async
---@param user_id integer
---@return true|nil ok
---@return tide.Error|nil err busy, disk_full, query_too_slow, database_error
function search.index(user_id) end

--- One page of the user's messages that have every part of `words` between
--- blanks, newest first. The last word may be the beginning of one, from three
--- letters on.
---@async
---@param user_id integer
---@param words string not blank
---@param limit integer
---@param offset? integer default 0
---@return {message_id: integer, session_id: string, role: string,
--- title: string, created_at: string, snippet: string}[]|nil rows
---@return tide.Error|nil err busy, query_too_slow, database_error
function search.find(user_id, words, limit, offset) end

--- How many such messages there are, counted up to `limit`.
---@async
---@param user_id integer
---@param words string
---@param limit integer
---@return integer|nil count
---@return tide.Error|nil err busy, query_too_slow, database_error
function search.count(user_id, words, limit) end

return search
