--- What the neighbour does in Lua (LuaJIT, ngx_http_lua): the nearest
--- equivalents to TideTalk's routes that store nothing.

local cjson = require "cjson"
local ngx = ngx

local M = {}

local sessions

--- Before the workers start: the session list's answer and the tokens.
--- @param dir string the run's folder
function M.start(dir)
  local file = assert(io.open(dir .. "/sessions.json"))
  sessions = cjson.decode(file:read("*a"))
  file:close()
  for token in io.lines(dir .. "/users.txt") do
    ngx.shared.tokens:set(token, true)
  end
end

--- Encodes the list from fresh tables, as rows from anywhere would be.
function M.sessions()
  local data = {}
  for i, row in ipairs(sessions.data) do
    data[i] = {
      SessionID = row.SessionID,
      UserID = row.UserID,
      Title = row.Title,
      ModelName = row.ModelName,
      MessageCount = row.MessageCount,
      CreatedAt = row.CreatedAt,
      UpdatedAt = row.UpdatedAt,
      Persona = row.Persona,
    }
  end
  local body =
    cjson.encode({ data = data, pagination = sessions.pagination })
  ngx.header.content_type = "application/json; charset=utf-8"
  ngx.header.content_length = #body
  ngx.print(body)
end

--- Checks the token and makes our chat request one for the upstream.
function M.rewrite()
  local header = ngx.var.http_authorization or ""
  if not ngx.shared.tokens:get(header:match("^Bearer (%S+)$")) then
    return ngx.exit(401)
  end
  ngx.req.read_body()
  local wish = cjson.decode(ngx.req.get_body_data())
  ngx.req.set_header("Authorization", "Bearer sk-bench-0123456789")
  ngx.req.set_body_data(cjson.encode({
    model = wish.model_name,
    messages = {
      { role = "system", content = "You are a helpful assistant." },
      { role = "user", content = wish.message },
    },
  }))
end

--- The upstream's head, read up to its empty line.
local function skip_head(upstream)
  repeat
    local line = assert(upstream:receive("*l"))
  until line == ""
end

--- Passes a chunked body on, one chunk at a time.
local function pass_chunks(upstream)
  while true do
    local size = tonumber(assert(upstream:receive("*l")), 16)
    local chunk = assert(upstream:receive(size + 2))
    if size == 0 then
      return
    end
    ngx.print(chunk:sub(1, size))
    ngx.flush(true)
  end
end

--- A stream through Lua: each chunk is read, printed and flushed.
--- @param address string host:port of the upstream
function M.copy(address)
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  local host, port = address:match("^(.*):(%d+)$")
  local upstream = ngx.socket.tcp()
  assert(upstream:connect(host, tonumber(port)))
  assert(upstream:send({
    "POST ",
    ngx.var.uri:sub(#"/copy" + 1),
    " HTTP/1.1\r\nHost: mock\r\nContent-Type: application/json\r\n",
    "Content-Length: ",
    #body,
    "\r\n\r\n",
    body,
  }))
  skip_head(upstream)
  ngx.header.content_type = "text/event-stream"
  pass_chunks(upstream)
  upstream:setkeepalive(60000, 2048)
end

return M
