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

--- Reads with bounded, indexed queries. The call waits when the rows are not
--- available at once: with SQLite only beyond the query's step budget, with an
--- engine behind a network every time. So use it only where waiting is possible:
--- not in sort's comparator, a callback of gsub or a metamethod, and not while a
--- module loads. There it raises as soon as it would have to wait. Between the
--- call and its return others may change rows that were read before. NULL
--- columns are nil.
---@async
---@param sql string
---@param args? any[] strings, numbers, booleans, json.null for NULL; at most 64
---@return table<string, any>[]|nil rows
---@return tide.Error|nil err busy, query_too_slow, database_error
function db.query(sql, args) end

--- The first row. Waits where query would.
---@async
---@param sql string
---@param args? any[]
---@return table<string, any>|nil row nil without an error when there is none
---@return tide.Error|nil err
function db.one(sql, args) end

--- The rows as a conversation, whose texts stay in the core: columns `role` and
--- `content`, perhaps `id` and `file_ids`. Waits where query would.
---@async
---@param sql string
---@param args? any[]
---@return tide.Messages|nil messages
---@return tide.Error|nil err those of query; too_many_rows: over 64 MiB
function db.messages(sql, args) end

--- The same as query, but it always waits and never delays quick reads: for
--- queries that are known to take long (export). At most 10,000 rows.
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
--- fails unless exactly n rows change. Later ones may use ids of rows that
--- earlier ones insert: db.id_of
---@return {id: integer, changes: integer}[]|nil outcomes one per statement
---@return tide.Error|nil err duplicate, foreign_key, constraint,
--- unexpected_changes, disk_full, busy, database_error; with `statement`
function db.write(statements) end

--- An argument for a statement of db.write: the id of the row that an earlier
--- statement of the same write inserts; NULL if that statement changes nothing.
---
--- ```lua
--- db.write({
---   { "INSERT INTO a (name) VALUES (?)", { name } },
---   { "INSERT INTO b (a_id) VALUES (?)", { db.id_of(1) } },
--- })
--- ```
---@param statement integer its number, counted from 1
---@return any id
function db.id_of(statement) end

return db
