--- What models may call while they reply, beside the tools that a client
--- brings. A file of tools/ returns a table of tools by name; put it there and
--- name it here. types/tool.lua says what a tool is; docs/tools.md explains how
--- a reply goes on with its results.

local tools = require "chat.tools"

return tools.join({
  -- require "tools.opening_hours",
})
