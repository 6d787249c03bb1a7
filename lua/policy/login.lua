--- How long somebody has to wait who got a password wrong, or who makes many
--- accounts. Pure: a number of attempts in, seconds out.

local M = {}

---@class LoginLimit
---@field free integer attempts that cost nothing
---@field longest integer seconds that one wait takes at most
---@field window integer seconds after which the count begins again

--- "pair": one account from one address. "address": all accounts from one
--- address that have not logged in from there before. "registration": new
--- accounts from one address.
---@type table<"pair"|"address"|"registration", LoginLimit>
M.limits = {
  pair = { free = 10, longest = 900, window = 86400 },
  address = { free = 50, longest = 60, window = 3600 },
  registration = { free = 20, longest = 300, window = 3600 },
}

--- After the free attempts each one doubles the wait.
---@param kind "pair"|"address"|"registration"
---@param attempts integer of the window, with this one
---@return integer seconds before the next one; 0: none
function M.wait(kind, attempts)
  local limit = M.limits[kind]
  local over = attempts - limit.free
  if over < 0 then
    return 0
  end
  return math.min(1 << math.min(over, 30), limit.longest)
end

return M
