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

--- Reads on the worker's own connection, for bounded, indexed queries. A query
--- that exceeds its step budget is automatically repeated off the loop; only
--- then does the call wait. NULL columns are nil.
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

--- The same as query, but always off the loop: for queries that are known to
--- take long (search, export). At most 10,000 rows.
---@async
---@param sql string
---@param args? any[]
---@return table<string, any>[]|nil rows
---@return tide.Error|nil err busy, query_too_slow, database_error
function db.fetch(sql, args) end

--- Writes all statements or none, in one transaction, and waits for the commit.
--- Once begun, a write is completed even when the task ends.
---@async
---@param statements table[] each {sql, args, expect = n}: with expect the write
--- fails unless exactly n rows change. Later ones may use last_insert_rowid()
---@return {id: integer, changes: integer}[]|nil outcomes one per statement
---@return tide.Error|nil err duplicate, foreign_key, constraint,
--- unexpected_changes, disk_full, busy, database_error; with `statement`
function db.write(statements) end

--- Indexes the user's newest messages, so that a search finds them: the core
--- does that for everybody, but only about once per second. Returns at once
--- when there is nothing to index.
---@async
---@param user_id integer
---@return true|nil ok
---@return tide.Error|nil err busy, disk_full, query_too_slow, database_error
function db.index_for_search(user_id) end

return db
