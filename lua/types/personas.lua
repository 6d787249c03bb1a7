---@meta tide.personas

--- The personas of style.yaml in file order, validated by the core: the module
--- is this list.
---@type {name: string, content: string}[]
local personas = {}

return personas
