---@meta tide.db

---@class tide.db
local db = {}

--- Reads on the worker's own connection: bounded, indexed queries. Slow ones
--- are repeated off the loop by themselves (yields then). NULL columns are nil.
---@param sql string
---@param args? any[] json.null for NULL
---@return table[]|nil rows, tide.Error|nil err
function db.query(sql, args) end

--- The first row, or nil (err is nil too when there is just no row).
---@param sql string
---@param args? any[]
---@return table|nil row, tide.Error|nil err
function db.one(sql, args) end

--- The same as query, always off the loop: for what is known to take long
--- (search, export). Yields. At most 10,000 rows.
---@param sql string
---@param args? any[]
---@return table[]|nil rows, tide.Error|nil err busy, query_too_slow
function db.fetch(sql, args) end

--- Writes all statements or none, in one transaction; yields until committed.
--- A statement is {sql, args, expect = n}: expect fails the job unless exactly
--- n rows change. Later statements may use last_insert_rowid() in SQL.
---@param statements table[]
---@return {id: integer, changes: integer}[]|nil outcomes, tide.Error|nil err
--- codes: duplicate, foreign_key, constraint, unexpected_changes, disk_full,
--- busy, database_error
function db.write(statements) end

return db
