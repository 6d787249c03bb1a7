--- What users do with their servers.

local json = require "tide.json"
local servers = require "mcp.servers"
local tool_list = require "mcp.tool_list"

--- A server as the API shows it. The operator's addresses are the operator's.
---@async
---@param server mcp.Server
---@param user_id integer
---@return table
local function shown(server, user_id)
  local tools, problem = tool_list.get(server, user_id)
  local named = json.array({})
  for i, tool in ipairs(tools) do
    named[i] = { name = tool.name, description = tool.description }
  end
  return {
    name = server.name,
    own = server.own,
    url = server.own and server.url or nil,
    approve = server.approve,
    tools = named,
    problem = problem and problem.text,
  }
end

---@param field string
---@param reason string
---@return nil, tide.Error
local function invalid(field, reason)
  return nil,
    { code = "invalid_field", args = { field = field, reason = reason } }
end

---@async
local function list(req)
  local found, err = servers.of_user(req.user.id)
  if not found then
    return nil, err
  end
  local data = json.array({})
  for i, server in ipairs(found) do
    data[i] = shown(server, req.user.id)
  end
  return { json = { data = data } }
end

--- Addresses that will never work are refused; a server that is down is not.
local REFUSED = { address_not_allowed = true, invalid_url = true,
  invalid_header = true }

---@async
local function add(req)
  local user_id, wanted = req.user.id, req.body
  if wanted.header and not servers.is_header(wanted.header) then
    return invalid("header", "is no header that a token can be in")
  end
  local free, taken = servers.is_free(user_id, wanted.name)
  if not free then
    return nil, taken
  end
  local row = servers.draft(user_id, wanted)
  local server = servers.from_row(user_id, row)
  local _, problem = tool_list.get(server, user_id)
  if problem and REFUSED[problem.code] then
    return invalid(problem.code == "invalid_header" and "token" or "url",
      problem.text)
  end
  local stored, err = servers.insert(user_id, row)
  if not stored then
    return nil, err
  end
  return { json = shown(server, user_id) }
end

---@async
local function remove(req)
  local removed, err = servers.delete(req.user.id, req.params.name)
  return removed and { json = { deleted = true } }, err
end

---@async
local function refresh(req)
  local server, err = servers.find(req.user.id, req.params.name)
  if not server then
    return nil, err
  elseif not server.own then
    return { json = shown(server, req.user.id) }
  end
  tool_list.forget(server)
  return { json = shown(server, req.user.id) }
end

local NAME = {
  name = "name",
  type = "string",
  required = true,
  max = servers.NAME_MAX,
  pattern = servers.NAME,
  doc = "begins the names of its tools",
}

--- Any name: whether there is such a server is another question.
local OF_PATH = {
  fields = { { name = "name", type = "string", required = true } },
}

return {
  {
    method = "GET",
    path = "/api/mcp/servers",
    auth = "user",
    summary = "The MCP servers whose tools your models may call",
    handler = list,
  },
  {
    method = "POST",
    path = "/api/mcp/servers",
    auth = "user",
    summary = "Add an MCP server of your own",
    request = {
      fields = {
        NAME,
        { name = "url", type = "string", required = true, max = 2000 },
        { name = "approve", type = "string", enum = { "ask", "never" },
          doc = "whether you are asked before each call; default ask" },
        { name = "token", type = "string", max = 4096 },
        { name = "header", type = "string", max = 64,
          doc = "that the token is in; default: Authorization, with Bearer" },
      },
    },
    handler = add,
  },
  {
    method = "DELETE",
    path = "/api/mcp/servers/:name",
    params = OF_PATH,
    auth = "user",
    summary = "Remove an MCP server of your own",
    handler = remove,
  },
  {
    method = "POST",
    path = "/api/mcp/servers/:name/refresh",
    params = OF_PATH,
    auth = "user",
    summary = "Ask an MCP server for its tools again",
    handler = refresh,
  },
}
