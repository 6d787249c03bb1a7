---@meta
--- The Lua API of the core, as annotations (never loaded). Calls marked
--- "yields" suspend the task until the answer is there and work only inside a
--- request or a task, never while a module loads. Expected errors come back as
--- `nil, err`; a raised error is a bug in the script.

--- The second value that every failing call returns.
---@class tide.Error
---@field code string stable snake_case, a key of the table in lua/lib/errors_of/
---@field message? string English detail for logs, never shown to clients
---@field status? integer HTTP status; default: the error table's
---@field detail? string what an upstream said, cleaned; shown to the caller,
--- who owns its configuration
---@field args? table<string, string|number> values for placeholders in the text
---@field retry_after? integer seconds
---@field statement? integer db.write: number of the failed statement, from 1
---@field headers? table<string, string>

--- A value that logs and encoders refuse to print: tostring is "[secret]".
---@class tide.Secret
