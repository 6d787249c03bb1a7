---@meta tide.personas

--- The personas of style.yaml in file order, checked by the core. The module
--- itself is this list.
---@type {name: string, content: string}[]
local personas = {}

return personas
