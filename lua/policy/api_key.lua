--- What a personal API key looks like: "sk-tide-", 64 hex digits of chance
--- (256 bits) and 8 of a checksum over them. The checksum tells a mistyped or
--- cut key without asking the database, and tools that look for leaked keys a
--- key from an accident. Pure: chance and hash come from the caller.

local M = {}

--- What every key begins with.
M.HEAD = "sk-tide-"
local RANDOM_LENGTH, SUM_LENGTH = 64, 8
--- Digits that are shown of a key, for its owner to know it again.
local SHOWN = 6

---@param random string
---@param sha256 fun(data: string): string
---@return string
local function checksum(random, sha256)
  return sha256(M.HEAD .. random):sub(1, SUM_LENGTH)
end

---@param random string 64 hex digits
---@param sha256 fun(data: string): string hex digits
---@return string key
function M.make(random, sha256)
  return M.HEAD .. random .. checksum(random, sha256)
end

--- Whether a credential is meant to be a key, a good one or not.
---@param token string
---@return boolean
function M.looks_like(token)
  return token:sub(1, #M.HEAD) == M.HEAD
end

--- Whether a key has the form of one that was made here.
---@param key string
---@param sha256 fun(data: string): string hex digits
---@return boolean
function M.is_whole(key, sha256)
  local digits = key:sub(#M.HEAD + 1)
  if #digits ~= RANDOM_LENGTH + SUM_LENGTH or digits:find("[^0-9a-f]") then
    return false
  end
  local random = digits:sub(1, RANDOM_LENGTH)
  return digits:sub(RANDOM_LENGTH + 1) == checksum(random, sha256)
end

--- What is shown of a key after its making.
---@param key string
---@return string
function M.prefix(key)
  return key:sub(1, #M.HEAD + SHOWN)
end

return M
