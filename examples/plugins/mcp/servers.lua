--- The servers that a user has: those of the operator, which are settings, and
--- the user's own, which are rows.

local config = require "tide.config"
local crypto = require "tide.crypto"
local db = require "tide.db"
local log = require "tide.log"
local time = require "tide.time"

local M = {}

--- A server's name, which begins the names of its tools.
M.NAME = "^[a-z][a-z0-9-]*$"
M.NAME_MAX = 20
--- Headers that a token may be in.
M.HEADER = "^[A-Za-z][A-Za-z0-9-]*$"

--- Headers that this client or HTTP itself sets.
local TAKEN = {
  accept = true, ["content-type"] = true, ["content-length"] = true,
  host = true, connection = true, ["transfer-encoding"] = true,
  ["mcp-session-id"] = true, ["mcp-protocol-version"] = true,
  ["mcp-method"] = true, ["mcp-name"] = true,
}

---@class mcp.Server
---@field key string of what is remembered of it
---@field name string
---@field url string
---@field approve "ask"|"never"
---@field header string "": Authorization, with Bearer
---@field secret? tide.Secret
---@field own boolean it is the user's

---@param name string
---@return boolean
function M.is_header(name)
  return name:find(M.HEADER) ~= nil
    and #name <= 64
    and not TAKEN[name:lower()]
    and not name:lower():find("^mcp%-param%-")
end

--- Whatever changes the server is part of its key, so that nothing is
--- remembered of another one.
---@param ... string
---@return string
local function key_of(...)
  return crypto.sha256(table.concat({ ... }, "\n")):sub(1, 32)
end

---@param line string "NAME URL [ask|never] [header=NAME]"
---@param secrets table<string, boolean> names of those that are set
---@return mcp.Server|nil
local function server_of(line, secrets)
  local name, url, rest = line:match("^%s*(%S+)%s+(%S+)%s*(.-)%s*$")
  if
    not name
    or not url
    or not rest
    or #name > M.NAME_MAX
    or not name:find(M.NAME)
    or not url:find("^https?://")
  then
    return nil
  end
  ---@type mcp.Server
  local server = {
    key = "",
    name = name,
    url = url,
    approve = "ask",
    header = "",
    own = false,
  }
  for word in rest:gmatch("%S+") do
    local header = word:match("^header=(.+)$")
    if word == "ask" or word == "never" then
      server.approve = word
    elseif header and M.is_header(header) then
      server.header = header
    else
      return nil
    end
  end
  if secrets[name] then
    server.secret = config.get("plugins.mcp.keys." .. name)
  end
  server.key = key_of("operator", name, url, server.header)
  return server
end

--- Read once in a generation: settings do not change within one.
---@type mcp.Server[]|nil
local of_operator

--- The servers of the settings.
---@return mcp.Server[]
function M.of_operator()
  if of_operator then
    return of_operator
  end
  local secrets, found, taken = {}, {}, {}
  for _, name in ipairs(config.get("plugins.mcp.keys")) do
    secrets[name] = true
  end
  for _, line in ipairs(config.get("plugins.mcp.servers")) do
    local server = server_of(line, secrets)
    if server and not taken[server.name] then
      taken[server.name] = true
      found[#found + 1] = server
    else
      log.error("mcp: a server of the settings cannot be used; wanted is "
        .. "NAME URL [ask|never] [header=NAME], each name once", {
        server = line,
      })
    end
  end
  of_operator = found
  return found
end

---@param user_id integer
---@param row {name: string, url: string}
---@return string
local function bound(user_id, row)
  return ("mcp:%d:%s:%s"):format(user_id, row.name, row.url)
end

---@param user_id integer
---@param row table
---@return mcp.Server
local function from_row(user_id, row)
  local secret
  if row.token ~= "" then
    local err
    secret, err = crypto.unseal(row.token, bound(user_id, row))
    if err then
      log.warn("mcp: a token cannot be read", { server = row.name })
    end
  end
  return {
    key = key_of(tostring(user_id), row.name, row.url, row.created_at),
    name = row.name,
    url = row.url,
    approve = row.approve == "never" and "never" or "ask",
    header = row.header,
    secret = secret,
    own = true,
  }
end

local LIST = "SELECT name, url, approve, header, token, created_at "
  .. "FROM mcp_servers WHERE user_id = ? ORDER BY id LIMIT ?"

--- All servers of a user, the operator's first. A server of the user's with the
--- name of one of those counts as not there.
---@async
---@param user_id integer
---@return mcp.Server[]|nil servers
---@return tide.Error|nil err
function M.of_user(user_id)
  local found, taken = {}, {}
  for i, server in ipairs(M.of_operator()) do
    found[i] = server
    taken[server.name] = true
  end
  local most = config.get("plugins.mcp.user_servers")
  if most == 0 then
    return found
  end
  local rows, err = db.query(LIST, { user_id, most })
  if not rows then
    return nil, err
  end
  for _, row in ipairs(rows) do
    if not taken[row.name] then
      found[#found + 1] = from_row(user_id, row)
    end
  end
  return found
end

--- A server of a user by name.
---@async
---@param user_id integer
---@param name string
---@return mcp.Server|nil server
---@return tide.Error|nil err mcp_server_not_found
function M.find(user_id, name)
  local list, err = M.of_user(user_id)
  for _, server in ipairs(list or {}) do
    if server.name == name then
      return server
    end
  end
  return nil, err or { code = "mcp_server_not_found" }
end

--- What a user wants to add; nothing is stored yet.
---@param user_id integer
---@param wanted table
---@return table row
function M.draft(user_id, wanted)
  local row = {
    name = wanted.name,
    url = wanted.url,
    approve = wanted.approve or "ask",
    header = wanted.header or "",
    token = "",
    created_at = time.now(),
  }
  if wanted.token and wanted.token ~= "" then
    row.token = crypto.seal(wanted.token, bound(user_id, row))
  end
  return row
end

M.from_row = from_row

local COUNT = "SELECT count(*) AS n FROM mcp_servers WHERE user_id = ?"

--- Whether a user may add a server of this name.
---@async
---@param user_id integer
---@param name string
---@return boolean|nil free
---@return tide.Error|nil err mcp_server_exists, mcp_too_many_servers
function M.is_free(user_id, name)
  local row, err = db.one(COUNT, { user_id })
  if not row then
    return nil, err
  elseif row.n >= config.get("plugins.mcp.user_servers") then
    return nil, { code = "mcp_too_many_servers" }
  end
  local other, unknown = M.find(user_id, name)
  if other then
    return nil, { code = "mcp_server_exists" }
  end
  return unknown.code == "mcp_server_not_found" or nil, unknown
end

-- The number is looked at again: two requests may come at the same time.
local INSERT = "INSERT INTO mcp_servers "
  .. "(user_id, name, url, approve, header, token, created_at) "
  .. "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE "
  .. "(SELECT count(*) FROM mcp_servers WHERE user_id = ?1) < ?8"

--- Stores a server.
---@async
---@param user_id integer
---@param row table
---@return boolean|nil stored
---@return tide.Error|nil err
function M.insert(user_id, row)
  local done, err = db.write({
    {
      INSERT,
      {
        user_id, row.name, row.url, row.approve, row.header, row.token,
        row.created_at, config.get("plugins.mcp.user_servers"),
      },
    },
  })
  if err and err.code == "duplicate" then
    return nil, { code = "mcp_server_exists" }
  elseif done and done[1].changes == 0 then
    return nil, { code = "mcp_too_many_servers" }
  end
  return done and true, err
end

local DELETE = "DELETE FROM mcp_servers WHERE user_id = ? AND name = ?"

--- Removes a server of a user's own.
---@async
---@param user_id integer
---@param name string
---@return boolean|nil removed
---@return tide.Error|nil err mcp_server_not_found
function M.delete(user_id, name)
  local done, err = db.write({ { DELETE, { user_id, name } } })
  if done and done[1].changes == 0 then
    return nil, { code = "mcp_server_not_found" }
  end
  return done and true, err
end

return M
