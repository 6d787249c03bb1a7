---@meta tide.db

--- The database. Every statement that touches a user's data has
--- `user_id = ?`.
---
--- ```lua
--- local row, err = db.one(
---   "SELECT title FROM chat_sessions WHERE user_id = ? AND session_id = ?",
---   { user.id, session_id }
--- )
--- ```
---@class tide.db
local db = {}

--- Reads on the worker's own connection: bounded, indexed queries. One that
--- takes more than its step budget is repeated off the loop by itself, and only
--- then waits. NULL columns are nil.
---@async
---@param sql string
---@param args? any[] strings, numbers, booleans, json.null for NULL; at most 64
---@return table<string, any>[]|nil rows
---@return tide.Error|nil err busy, query_too_slow, database_error
function db.query(sql, args) end

--- The first row. Waits as query does.
---@async
---@param sql string
---@param args? any[]
---@return table<string, any>|nil row nil without an error when there is none
---@return tide.Error|nil err
function db.one(sql, args) end

--- The same as query, always off the loop: for what is known to take long
--- (search, export). At most 10,000 rows.
---@async
---@param sql string
---@param args? any[]
---@return table<string, any>[]|nil rows
---@return tide.Error|nil err busy, query_too_slow, database_error
function db.fetch(sql, args) end

--- Writes all statements or none, in one transaction, and waits until it is
--- committed. A write that was begun is carried through, also when the task
--- ends.
---@async
---@param statements table[] each {sql, args, expect = n}: with expect the write
--- fails unless exactly n rows change. Later ones may use last_insert_rowid()
---@return {id: integer, changes: integer}[]|nil outcomes one a statement
---@return tide.Error|nil err duplicate, foreign_key, constraint,
--- unexpected_changes, disk_full, busy, database_error; with `statement`
function db.write(statements) end

--- Indexes what the user said a moment ago, so that a search finds it: the core
--- does that for everybody, but only about once a second. Returns at once when
--- there is nothing to index.
---@async
---@param user_id integer
---@return true|nil ok
---@return tide.Error|nil err busy, disk_full, query_too_slow, database_error
function db.index_for_search(user_id) end

return db
