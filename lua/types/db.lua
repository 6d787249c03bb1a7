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
--- columns are nil. In texts that go to the database U+0000 becomes U+FFFD, also
--- in `args` itself.
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

--- The rows as a JSON list of objects, for answers that only pass them on: the
--- core writes it by the schema of one object, and no row becomes a table. Reads
--- as query does. Put into a response's `json` it is sent as it is; json.decode
--- gives plain tables, which is what `on_response` hooks get.
---
--- ```lua
--- local data, err = db.json(
---   "SELECT id, title, file_ids FROM notes WHERE user_id = ? ORDER BY id",
---   { user.id },
---   { type = "object", fields = {
---     { name = "id", type = "integer" },
---     { name = "Title", type = "string", column = "title" },
---     { name = "file_ids", type = "array", items = { type = "integer" } },
---   } }
--- )
--- return { json = { data = data } }
--- ```
---
--- Members come in the schema's order; a column that no member names is not
--- written. Of a member the schema says `column` (default: its name); `keep_null`
--- (NULL is null; else the member is left out); `make`, a pure function that
--- makes the value of the column's, unless that is NULL or "". An integer column
--- of a boolean is true if it is not 0. Texts of arrays and objects are JSON: their
--- declared members come in order too, and a text that is no JSON counts as NULL.
--- An object without a column is made of the same row. lua/web/objects.lua makes
--- such schemas.
---@async
---@param sql string
---@param args any[]|nil
---@param schema Schema of an object, one for many calls
---@param changes? table<integer, table<string, any>> members that are not the
--- row's: by the row's column `id`, and by name
---@return tide.Raw|nil rows at most 64 MiB
---@return tide.Error|nil err those of query; too_many_rows
function db.json(sql, args, schema, changes) end

--- The same as json, but reads as fetch does.
---@async
---@param sql string
---@param args any[]|nil
---@param schema Schema
---@param changes? table<integer, table<string, any>>
---@return tide.Raw|nil rows
---@return tide.Error|nil err those of json
function db.fetch_json(sql, args, schema, changes) end

--- Writes all statements or none, in one transaction, and waits for the commit.
--- Once begun, a write is completed even when the task ends.
---@async
---@param statements table[] each {sql, args, expect = n}: with expect the write
--- fails unless exactly n rows change. Later ones may use ids of rows that
--- earlier ones insert: db.id_of
---@param options? {use_reserve?: boolean, independent?: boolean, user?: integer}
--- use_reserve: it goes on when the disk is full; for what deletes, ends or
--- revokes. independent: it changes rows of its own, so that it may run together
--- with other writes that have the same statements, in any order. user: whose
--- row of `users`, or sums, it changes: writes with the same user wait for each
--- other, also on other servers, instead of meeting in the middle
---@return {id: integer, changes: integer}[]|nil outcomes one per statement
---@return tide.Error|nil err duplicate, foreign_key, constraint,
--- unexpected_changes, disk_full, busy, database_error; with `statement`
function db.write(statements, options) end

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

--- Which database the server uses, for SQL that only one of them understands.
---@return "sqlite"|"postgres" engine
function db.engine() end

return db
