--- The persona manager: which personas there are, what they say, and which one
--- speaks when nobody named one. The personas are style.yaml's; the default is
--- its first one, unless the operator has set another.

local db = require "tide.db"
local errors = require "lib.errors"
local json = require "tide.json"
local persona_policy = require "policy.persona"
local personas = require "tide.personas"
local time = require "tide.time"

local M = {}

local DEFAULT_KEY = "default_persona"

---@return string[] names in the order of style.yaml
function M.get_available_personas()
  return persona_policy.names(personas)
end

--- The personas with their texts, for who is to choose one.
---@return Persona[] personas as style.yaml orders them
function M.get_personas()
  local list = json.array({})
  for i, persona in ipairs(personas) do
    list[i] = { name = persona.name, content = persona.content }
  end
  return list
end

---@param name string
---@return string|nil content the system prompt
---@return tide.Error|nil err unknown_persona
function M.get_persona_content(name)
  local persona = persona_policy.find(personas, name)
  if not persona then
    return nil, errors.new("unknown_persona", { persona = name })
  end
  return persona.content
end

--- The persona of sessions that name none.
---@return string|nil name, tide.Error|nil err
function M.get_default_persona()
  local row, err =
    db.one("SELECT value FROM settings WHERE key = ?", { DEFAULT_KEY })
  if err then
    return nil, err
  end
  return persona_policy.choose(personas, nil, row and row.value).name
end

--- Sets it, for all sessions that are made from now on.
---@param name string
---@return true|nil ok, tide.Error|nil err unknown_persona
function M.set_default_persona(name)
  local known, unknown = M.get_persona_content(name)
  if not known then
    return nil, unknown
  end
  local done, err = db.write({
    {
      "INSERT INTO settings (key, value, updated_at) VALUES (?1, ?2, ?3) "
        .. "ON CONFLICT (key) DO UPDATE SET value = ?2, updated_at = ?3",
      { DEFAULT_KEY, name, time.now() },
    },
  })
  if not done then
    return nil, err
  end
  return true
end

--- Who speaks: the one that the request names, else the session's own, else
--- the default.
---@param named string|nil "" and nil name none
---@param stored string|nil the session's
---@return Persona|nil persona, tide.Error|nil err unknown_persona
function M.choose(named, stored)
  if not persona_policy.known(personas, named) then
    return nil, errors.new("unknown_persona", { persona = named })
  end
  local fallback = stored
  if not stored and (not named or named == "") then
    local err
    fallback, err = M.get_default_persona()
    if not fallback then
      return nil, err
    end
  end
  return persona_policy.choose(personas, named, fallback)
end

return M
