--- Which tools a server has. Lists are kept for all workers, and asked for
--- again when they are old. If that fails, the old list stays, and the server
--- is left alone for a while: a turn waits for a server that is down once.

local config = require "tide.config"
local crypto = require "tide.crypto"
local http = require "mcp.http"
local input_schema = require "mcp.input_schema"
local json = require "tide.json"
local log = require "tide.log"
local protocol = require "mcp.protocol"
local shared = require "tide.shared"
local text = require "tide.text"
local time = require "tide.time"

local M = {}

local PAGES_MAX = 8
local ITEMS_MAX = 1000
local CURSOR_MAX = 4096
--- Bytes of a tool's definition, and of all of a server.
local TOOL_MAX = 16 * 1024
local LIST_MAX = 128 * 1024
local DESCRIPTION_MAX = 2048
--- Of names of OpenAI's functions.
local NAME_MAX = 64

local MS_PER_S = 1000
local FRESH_LEAST = 10 * MS_PER_S
--- How long a list that has become old can stand in.
local KEPT = 24 * 3600 * MS_PER_S
--- How long a server that failed is left alone.
local PAUSE = 30 * MS_PER_S

local remembered = shared.dict("mcp")

---@class mcp.ListedTool
---@field name string as models call it
---@field remote string as the server calls it
---@field description string
---@field parameters table
---@field mirrored mcp.Mirrored[]

---@class mcp.ToolList
---@field tools mcp.ListedTool[]
---@field fresh_until integer ms since 1970

---@return integer
local function now()
  return time.unix_us() // 1000
end

--- A name that a model can call, always the same: whoever allows a call allows
--- this tool, also when the list has changed in between.
---@param server mcp.Server
---@param remote string
---@return string
local function name_of(server, remote)
  local prefix = server.name .. "__"
  local plain = remote:gsub("[^A-Za-z0-9_-]", "_")
  if plain == remote and #prefix + #plain <= NAME_MAX then
    return prefix .. plain
  end
  local mark = "_" .. crypto.sha256(remote):sub(1, 8)
  return prefix .. plain:sub(1, NAME_MAX - #prefix - #mark) .. mark
end

---@param server mcp.Server
---@param item any
---@return mcp.ListedTool|nil tool
---@return string|nil why
local function read_tool(server, item)
  if not json.is_raw(item) or item:type() ~= "object" then
    return nil, "is no object"
  elseif #tostring(item) > TOOL_MAX then
    return nil, "is too large"
  end
  local remote, description, title, schema =
    item:members("name", "description", "title", "inputSchema")
  if type(remote) ~= "string" or remote == "" or #remote > 256 then
    return nil, "has no name that can be used"
  end
  schema = json.is_raw(schema) and json.decode(schema)
  local mirrored = input_schema.fits(schema) and input_schema.mirrored(schema)
  if not mirrored then
    return nil, "has an inputSchema that is not well formed"
  end
  local told = remote
  for _, given in ipairs({ title or "", description or "" }) do
    told = type(given) == "string" and given ~= "" and given or told
  end
  return {
    name = name_of(server, remote),
    remote = remote,
    description = text.truncate(told, DESCRIPTION_MAX),
    parameters = schema,
    mirrored = mirrored,
  }
end

---@class mcp.Listing
---@field tools mcp.ListedTool[]
---@field names table<string, boolean>
---@field bytes integer
---@field left_out integer
---@field why? string

--- Adds the tools of a page.
---@param server mcp.Server
---@param page tide.Raw
---@param listing mcp.Listing
---@param most integer
---@return boolean goes_on
local function add_page(server, page, listing, most)
  local items = page:get("tools")
  if not json.is_raw(items) or items:type() ~= "array" then
    return false
  end
  for index, item in items:each() do
    if index >= ITEMS_MAX then
      listing.left_out = listing.left_out + 1
      return false
    end
    local tool, why = read_tool(server, item)
    local bytes = tool and #tostring(item) or 0
    if #listing.tools >= most or listing.bytes + bytes > LIST_MAX then
      listing.left_out = listing.left_out + 1
      listing.why = "the list is too long"
      return false
    elseif not tool or listing.names[tool.name] then
      listing.left_out = listing.left_out + 1
      listing.why = why or "is there twice"
    else
      listing.tools[#listing.tools + 1] = tool
      listing.names[tool.name] = true
      listing.bytes = listing.bytes + bytes
    end
  end
  return true
end

---@param page tide.Raw the first
---@return integer ms how long the list is fresh
local function freshness(page)
  ---@type integer
  local most = config.get("plugins.mcp.list_ttl") * MS_PER_S
  local wish = page:get("ttlMs")
  wish = math.tointeger(type(wish) == "number" and wish // 1 or most) or most
  return math.max(FRESH_LEAST, math.min(most, wish))
end

--- Asks a server for its list.
---@async
---@param server mcp.Server
---@param user_id integer
---@return mcp.ToolList|nil list
---@return mcp.Problem|nil problem
local function fetch(server, user_id)
  local ends = time.mono_ms() + config.get("plugins.mcp.list_timeout")
  ---@type mcp.Listing
  local listing = {
    tools = json.array({}),
    names = {},
    bytes = 0,
    left_out = 0,
  }
  local cursor, fresh
  for _ = 1, PAGES_MAX do
    local page, problem = protocol.call(server, {
      user_id = user_id,
      method = "tools/list",
      params = cursor and { cursor = cursor } or nil,
      ends = ends,
    })
    if not page then
      return nil, problem
    end
    fresh = fresh or freshness(page)
    local most = config.get("plugins.mcp.max_tools")
    cursor = add_page(server, page, listing, most) and page:get("nextCursor")
    if type(cursor) ~= "string" or #cursor > CURSOR_MAX then
      break
    end
  end
  if listing.left_out > 0 then
    log.warn("mcp: tools are left out", {
      server = server.name,
      count = listing.left_out,
      why = listing.why or "",
    })
  end
  return { tools = listing.tools, fresh_until = now() + fresh }
end

--- Asks for a list, and remembers how that went.
---@async
---@param server mcp.Server
---@param user_id integer
---@return mcp.ToolList|nil list
---@return mcp.Problem|nil problem
local function refresh(server, user_id)
  local ran, list, problem = pcall(fetch, server, user_id)
  if not ran then
    log.error("mcp: a list failed", { server = server.name, error = list })
    list, problem = nil, http.problem("its answer cannot be used")
  end
  if list then
    remembered:delete("down:" .. server.key)
    remembered:set("list:" .. server.key, json.encode(list), KEPT)
    return list
  end
  log.warn("mcp: no list of tools", {
    server = server.name,
    reason = problem.text,
  })
  remembered:set("down:" .. server.key, problem.text, PAUSE)
  return nil, problem
end

--- The tools of a server.
---@async
---@param server mcp.Server
---@param user_id integer
---@return mcp.ListedTool[] tools
---@return mcp.Problem|nil problem why there are none, or only older ones
function M.get(server, user_id)
  local stored = remembered:get("list:" .. server.key)
  local list = stored and json.decode(tostring(stored))
  if list and list.fresh_until > now() then
    return list.tools
  end
  local down = remembered:get("down:" .. server.key)
  if down then
    return list and list.tools or {}, http.problem(tostring(down))
  end
  local asking = "asking:" .. server.key
  local mine = remembered:add(
    asking,
    1,
    config.get("plugins.mcp.list_timeout")
  )
  if list and not mine then
    return list.tools -- another turn is asking
  end
  local newer, problem = refresh(server, user_id)
  remembered:delete(asking)
  return newer and newer.tools or list and list.tools or {}, problem
end

--- Forgets what is known of a server, so that it is asked again.
---@param server mcp.Server
function M.forget(server)
  for _, what in ipairs({ "list:", "down:", "kind:", "asking:" }) do
    remembered:delete(what .. server.key)
  end
end

return M
