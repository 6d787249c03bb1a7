--- What this server does beside what it ships with. A file of hooks/ is a table
--- of functions, each named after the moment at which it is called; put it
--- there and name it here. Files are asked in the order of this list, each with
--- what the one before it has made of things. types/hooks.lua says what each
--- function gets and returns, examples/ has some to begin with.

local hooks = require "lib.hooks"

return hooks.join({
  -- require "hooks.audit_log",
})
