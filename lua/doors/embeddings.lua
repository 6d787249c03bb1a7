--- Embeddings for clients of OpenAI's API; see doors/relay.

local relay = require "doors.relay"

local M = {}

--- Asks for embeddings; yields.
---@param user_id integer
---@param body table the request, checked
---@return string|nil text the answer's JSON
---@return tide.Error|nil err those of relay.send
function M.create(user_id, body)
  return relay.send(user_id, body, "embeddings")
end

return M
