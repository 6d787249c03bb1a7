--- What becomes of a reply when the client that asked for it leaves. Pure:
--- facts of the request in, decision out. Asked once a message, before it
--- waits for its turn; it holds for streams and for answers that come whole,
--- before the first token too. Somebody else who still watches the reply keeps
--- it going in either case.

local M = {}

---@class DisconnectFacts
---@field user_id integer
---@field session_id string
---@field model_name string
---@field provider string name of the model's provider
---@field stream boolean the client asked for a stream

--- "detach": the reply is finished and stored, and the client may come back to
--- it. "cancel": the upstream is left at once, and what there is of the text is
--- stored as a stopped reply.
---@param _ DisconnectFacts
---@return "detach"|"cancel"
function M.choose(_)
  return "detach"
end

return M
