---@meta tide.task

--- Tasks within a task: for waiting for several things at the same time. A child
--- ends with its parent at the latest: it is cancelled when the parent returns,
--- fails or is cancelled. Up to 256 tasks may be alive at once below one request.
---
--- ```lua
--- local results, err = task.all({
---   function() return http.request({ url = first }) end,
---   function() return http.request({ url = second }) end,
--- })
--- ```
---@class tide.task
local task = {}

--- Runs all functions at the same time and waits for them. As soon as one
--- returns nil and an error, or raises, the others are cancelled, and this call
--- does the same: it returns nil and that error, or raises.
---@async
---@param functions (async fun(): any, any)[] at most 256
---@return any[]|nil results the first value of each, in the order of the list
---@return tide.Error|nil err of the first that failed; "busy": too many tasks
function task.all(functions) end

--- A function that runs beside its parent.
---@class tide.Task
local Task = {}

--- Runs a function beside this task, beginning in the loop's next tick. Only in
--- a task. If a child raises and is never joined, that is logged.
---@param fn async fun(...: any): ...: any
---@param ... any its arguments
---@return tide.Task|nil child
---@return tide.Error|nil err "busy": too many tasks
function task.spawn(fn, ...) end

--- Waits until the child has ended. Raises what the child raised. May be called
--- again, and by several tasks.
---@async
---@return any ... what the function returned; nil and an error "cancelled" when
--- it was cancelled
function Task:join() end

--- Ends the child where it waits, and its children with it; closes its
--- to-be-closed variables. Harmless when it has ended. Only in a task.
---@return nil
function Task:cancel() end

--- The state of the child.
---@return "running"|"returned"|"failed"|"cancelled" state
function Task:state() end

return task
