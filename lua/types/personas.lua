---@meta
--- require "tide.personas"

--- The personas of style.yaml in file order, validated by the core.
---@alias tide.personas {name: string, content: string}[]
