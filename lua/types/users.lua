---@meta tide.users

--- The accounts. Whoever shows them to a user decides whether that user may see
--- them.
---
--- ```lua
--- local user, err = users.find("moon")
--- ```
---@class tide.users
local users = {}

---@class tide.Account
---@field id integer what functions take as `user`
---@field username string
---@field email string
---@field role "user"|"admin"
---@field disabled boolean
---@field created_at string

--- An account.
---@async
---@param user integer its id
---@return tide.Account|nil account
---@return tide.Error|nil err user_not_found
function users.get(user) end

--- The account with a name.
---@async
---@param username string
---@return tide.Account|nil account
---@return tide.Error|nil err user_not_found
function users.find(username) end

--- All accounts, in the order in which they were made.
---@async
---@param page? {limit?: integer, offset?: integer} at most 100, which is the default
---@return tide.Account[]|nil accounts
---@return integer|tide.Error total how many there are
function users.list(page) end

return users
