--- Tools of servers that speak the Model Context Protocol (streamable HTTP),
--- for the models of this server. docs/mcp.md explains it.

return {
  api = 1,
  version = "1.0",
  settings = {
    servers = {
      type = "list",
      default = {},
      help = "for all users: NAME URL [ask|never] [header=NAME]",
    },
    keys = { type = "secrets", help = "tokens of these servers, by name" },
    user_servers = {
      type = "integer",
      default = 8,
      min = 0,
      max = 32,
      help = "how many servers of their own users may have",
    },
    timeout = {
      type = "integer",
      default = 60000,
      min = 100,
      max = 500000,
      help = "ms for a call",
    },
    list_timeout = {
      type = "integer",
      default = 5000,
      min = 100,
      max = 25000,
      help = "ms for a list of tools",
    },
    list_ttl = {
      type = "integer",
      default = 300,
      min = 10,
      max = 86400,
      help = "seconds for which a list is kept, at most",
    },
    max_tools = {
      type = "integer",
      default = 64,
      min = 1,
      max = 128,
      help = "of one server",
    },
  },
  errors = {
    mcp_server_not_found = {
      status = 404,
      en = "You have no MCP server of that name. GET /api/mcp/servers lists "
        .. "yours.",
      zh = "您没有这个名称的 MCP 服务器，可用 GET /api/mcp/servers 查看列表。",
    },
    mcp_server_exists = {
      status = 409,
      en = "There is an MCP server of that name already. Choose another name, "
        .. "or remove that one first.",
      zh = "已有同名的 MCP 服务器，请换一个名称，或先删除原有的。",
    },
    mcp_too_many_servers = {
      status = 409,
      en = "You have as many MCP servers as are allowed. Remove one first.",
      zh = "您的 MCP 服务器数量已达上限，请先删除一个。",
    },
  },
  tools = require("mcp.tools").of_turn,
  routes = require "mcp.routes",
}
