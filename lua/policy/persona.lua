--- Which persona speaks. Pure. One named in the request is it, and switches a
--- running session; else the session's own; else the first of style.yaml. A
--- stored name that style.yaml has no more falls back to the first one: an
--- edited file must not lock anybody out of their sessions.

local M = {}

---@alias Persona {name: string, content: string}

---@param personas Persona[]
---@param name string
---@return Persona|nil
function M.find(personas, name)
  for _, persona in ipairs(personas) do
    if persona.name == name then
      return persona
    end
  end
  return nil
end

--- Whether a request may name this persona.
---@param personas Persona[]
---@param named string|nil "" and nil name none
---@return boolean
function M.known(personas, named)
  return named == nil or named == "" or M.find(personas, named) ~= nil
end

---@param personas Persona[] at least one, in file order
---@param named string|nil by the request; known
---@param stored string|nil with the session
---@return Persona
function M.choose(personas, named, stored)
  return named and named ~= "" and M.find(personas, named)
    or stored and M.find(personas, stored)
    or personas[1]
end

---@param personas Persona[]
---@return string[] names in file order
function M.names(personas)
  local names = {}
  for i, persona in ipairs(personas) do
    names[i] = persona.name
  end
  return names
end

return M
