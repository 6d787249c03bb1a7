---@meta tide.nodes

--- The servers that share this one's database, when there are several (setting
--- `nodes.listen`).
---
--- ```lua
--- local owner = nodes.owner_of_session(req.user.id, "tides")
--- log.info("the turn runs", { on = owner and owner.name or "this node" })
--- ```
---@class tide.nodes
local nodes = {}

---@class tide.Node
---@field id integer a new one for each start
---@field name string
---@field address string host:port of its private listener

---@class tide.NodeStatus: tide.Node
---@field version string
---@field generation string hash of the scripts that it serves
---@field script_generation integer its number; 0: none serves yet, or any more
---@field load integer sessions in which a turn runs or waits
---@field draining boolean it takes no new turns
---@field alive boolean its lease is not over
---@field started_at integer microseconds since 1970
---@field heartbeat_at integer likewise
---@field age_us integer time since then, by the database's clock

--- Whether this server is one of several; it may be the only one that runs.
---@return boolean shared
function nodes.is_shared() end

--- Whether this server does what only one of them does: timers, and the jobs of
--- queues. Another one does it when this one is gone. True on a server alone.
---@return boolean keeper
function nodes.is_keeper() end

---@class tide.OwnNode: tide.Node
---@field draining boolean it takes no new turns

--- This server.
---@return tide.OwnNode|nil node nil when the database is not shared
function nodes.self() end

--- All nodes, also those that died within the last day.
---@async
---@return tide.NodeStatus[]|nil nodes empty when the database is not shared
---@return tide.Error|nil err
function nodes.list() end

--- Another node that has to do what concerns a session: a turn runs there. If
--- none runs, this one does it; if this one is draining, another one.
---@async
---@param user_id integer
---@param session_id string
---@return tide.Node|nil node nil: this one
---@return tide.Error|nil err
function nodes.owner_of_session(user_id, session_id) end

--- Lets all nodes read now what was written for them (rows of `changes`, which
--- the product's own scripts write); without it they do within a second.
--- Only in a task.
---@return nil
function nodes.notify() end

--- A node that serves the scripts that all of them serve now, this one if it
--- does.
---@async
---@return tide.Node|nil node nil: none says so now
---@return tide.Error|nil err
function nodes.with_current_scripts() end

--- How a route says what it is about, when it has an owner. Its handler may run
--- on two nodes for one request, if the first of them dies: what it stores, it
--- stores once for each req.node_key, or so that it may be stored twice.
---@class tide.RouteOwner
---@field session_id fun(req: tide.Request, route: tide.Route): string|nil
--- before anything of the request is checked
---@field rest fun(session_id: string, last: string|integer): string target of
--- the stream behind an event
---@field go_on async fun(req: tide.Request, route: tide.Route, session_id: string, last: string|integer): tide.Response|nil, tide.Error|nil
--- that stream, when this node has it

return nodes
