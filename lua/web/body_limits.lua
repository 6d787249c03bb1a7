--- How large bodies may be: every route that reads JSON names one of these in
--- `body_max`, but for those that take messages. Their limit is the operator's,
--- limits.body. All of a body is read into memory, and a route that needs no
--- login is open to everybody: the smaller, the better. A character may take 12
--- bytes, written as an escape.

local M = {}

--- Of a few short fields, such as names and passwords.
M.SHORT = 8 << 10

--- Of fields with addresses and keys.
M.FORM = 64 << 10

--- Of whole conversations, with the pictures within them. A larger body would
--- take more of a worker's time at once than others can spare.
M.CONVERSATION = 4 << 20

return M
