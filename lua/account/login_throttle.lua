--- Slows those who guess passwords or make accounts without end. Attempts are
--- counted by account and address, and by address alone; policy/login.lua says
--- how long each count makes wait. An attempt counts before its password is
--- checked, so many at once gain nothing, and is taken back when it was right.
--- The counts are in memory, of all workers together; a timer writes what has
--- changed, and what is not in memory is read again, so a restart forgets at
--- most a minute. Where several servers share the database they are in its rows
--- alone (login_rows).

local config = require "tide.config"
local crypto = require "tide.crypto"
local db = require "tide.db"
local errors = require "lib.errors"
local log = require "tide.log"
local login_rows = require "account.login_rows"
local nodes = require "tide.nodes"
local policy = require "policy.login"
local shared = require "tide.shared"
local time = require "tide.time"
local timer = require "tide.timer"

local M = {}

local WRITE_MS = 60000
--- Rows of one write: an attack must not make the writer busy.
local WRITE_MAX = 500
local FORGET_S, FORGET_KNOWN_S = 86400, 90 * 86400

local counts = shared.dict("login")

---@class LoginCount one thing that is counted
---@field kind "pair"|"address"|"registration"
---@field row string key of its row
---@field key string its keys in memory end with it
---@field account string hash of the name; "" for an address

---@param ... string
---@return string
local function hash(...)
  return crypto.sha256(table.concat({ ... }, "\0")):sub(1, 32)
end

--- The network that one customer has: of IPv6 the first 64 bits.
---@param ip string
---@return string
function M.network(ip)
  if not ip:find(":", 1, true) then
    return ip
  end
  local left, right = ip:match("^(.-)::(.*)$")
  local groups, rest = {}, {}
  for group in (left or ip):gmatch("[^:]+") do
    groups[#groups + 1] = group
  end
  for group in (right or ""):gmatch("[^:]+") do
    rest[#rest + 1] = group
  end
  while #groups + #rest < 8 do
    groups[#groups + 1] = "0"
  end
  table.move(rest, 1, #rest, #groups + 1, groups)
  return table.concat(groups, ":", 1, 4)
end

--- Where a request comes from; nil when that cannot be told: a proxy on this
--- machine that is not among trusted_proxies would make everybody one address.
---@param req tide.Request
---@return string|nil network
local function network_of(req)
  local ip = req.ip
  local loopback = ip == "unix" or ip == "::1" or ip:match("^127%.")
  if loopback and #config.get("trusted_proxies") == 0 then
    if counts:add("told:loopback", 1, 3600000) then
      log.warn(
        "logins are not slowed by address: they come from this machine, and "
          .. "trusted_proxies does not name a proxy",
        { address = ip }
      )
    end
    return nil
  end
  return M.network(ip)
end

---@param username string
---@param network string|nil
---@return LoginCount
local function pair_of(username, network)
  local account = hash("account", username)
  local row = hash("pair", account, network or "")
  local unlocked = counts:get("unlocked:" .. account) or 0
  return {
    kind = "pair",
    row = row,
    key = row .. unlocked,
    account = account,
  }
end

---@param kind "address"|"registration"
---@param network string
---@return LoginCount
local function address_of(kind, network)
  local row = hash(kind, network)
  return { kind = kind, row = row, key = row, account = "" }
end

--- What the last run of the server knew, once.
---@param count LoginCount
---@return true|nil ok, tide.Error|nil err
local function load(count)
  if not counts:add("read:" .. count.key, 1) then
    return true
  end
  local row, failed = db.one(
    "SELECT failures, until_at, known, seen_at FROM login_attempts "
      .. "WHERE key = ?",
    { count.row }
  )
  if failed then
    counts:delete("read:" .. count.key)
    return nil, failed
  elseif not row then
    return true
  end
  local now = time.unix()
  local window = row.seen_at + policy.limits[count.kind].window - now
  if row.failures > 0 and window > 0 then
    counts:incr("failures:" .. count.key, row.failures, window * 1000)
  end
  if row.until_at > now then
    counts:add("wait:" .. count.key, 1, (row.until_at - now) * 1000)
  end
  if row.known ~= 0 then
    counts:set("known:" .. count.key, 1)
  end
  return true
end

--- Notes that a count has changed, for the next write.
---@param count LoginCount
local function note(count)
  local number = counts:incr("changed")
  if number then
    local text = count.key .. " " .. count.row .. " " .. count.account
    counts:set("change:" .. number, text, 10 * WRITE_MS)
  end
end

---@param count LoginCount
local function add(count)
  local window = policy.limits[count.kind].window * 1000
  local failures = counts:incr("failures:" .. count.key, 1, window) or 1
  local seconds = policy.wait(count.kind, failures)
  if seconds > 0 then
    counts:set("wait:" .. count.key, 1, seconds * 1000)
  end
  note(count)
end

--- Takes an attempt back; `all`: those before it too.
---@param count LoginCount
---@param all boolean
local function forget(count, all)
  if all then
    counts:delete("failures:" .. count.key)
    counts:delete("wait:" .. count.key)
  elseif counts:get("failures:" .. count.key) then
    local left = counts:incr("failures:" .. count.key, -1) or 0
    if policy.wait(count.kind, left) == 0 then
      counts:delete("wait:" .. count.key)
    end
  end
  note(count)
end

---@param seconds integer
---@return tide.Error
local function throttled(seconds)
  local err = errors.new("login_throttled", { seconds = seconds })
  err.retry_after = seconds
  return err
end

---@class LoginCounts
local in_memory = {}

--- Whether somebody has logged in to the account from there before.
---@param pair LoginCount
---@return boolean|nil known, tide.Error|nil err
function in_memory.is_known(pair)
  local read, failed = load(pair)
  if not read then
    return nil, failed
  end
  return counts:get("known:" .. pair.key) ~= nil
end

--- Counts an attempt in, unless one of the counts has to wait.
---@param list LoginCount[]
---@return integer|nil seconds 0: it is counted, tide.Error|nil err
function in_memory.enter(list)
  local longest = 0
  for _, count in ipairs(list) do
    local read, failed = load(count)
    if not read then
      return nil, failed
    end
    longest = math.max(longest, counts:ttl("wait:" .. count.key) or 0)
  end
  if longest == 0 then
    for _, count in ipairs(list) do
      add(count)
    end
  end
  return (longest + 999) // 1000
end

--- Takes an attempt back.
---@param list LoginCount[]
---@param logged_in LoginCount|nil whose attempts before it are forgotten too
---@return integer|nil done, tide.Error|nil err
function in_memory.take_back(list, logged_in)
  if logged_in then
    counts:set("known:" .. logged_in.key, 1)
  end
  for _, count in ipairs(list) do
    forget(count, count == logged_in)
  end
  return 0
end

local counting = nodes.is_shared() and login_rows or in_memory

--- Counts an attempt in.
---@param list LoginCount[]
---@return true|nil ok, tide.Error|nil err login_throttled
local function enter(list)
  local seconds, failed = counting.enter(list)
  if not seconds then
    return nil, failed
  elseif seconds > 0 then
    return nil, throttled(seconds)
  end
  return true
end

--- Runs `check`, which looks whether a password is right, unless this account
--- or this address has to wait.
---@generic T
---@param req tide.Request
---@param username string
---@param wrong string code of the error that means a wrong password
---@param check fun(known: boolean): T|nil, tide.Error|nil `known`: the account
--- was logged in to from there before
---@return T|nil value, tide.Error|nil err login_throttled, those of `check`
function M.log_in(req, username, wrong, check)
  local network = network_of(req)
  local pair = pair_of(username, network)
  local known, failed = counting.is_known(pair)
  if known == nil then
    return nil, failed
  end
  local list = { pair }
  if network and not known then
    list[2] = address_of("address", network)
  end
  local free, wait = enter(list)
  if not free then
    return nil, wait
  end
  local value, err = check(known)
  if value or err and err.code ~= wrong then
    local done, unwritten = counting.take_back(list, value and pair)
    if not done then
      log.warn("an attempt was not taken back", { code = unwritten.code })
    end
  end
  return value, err
end

--- Runs `create`, which makes an account, unless this address has made many.
---@generic T
---@param req tide.Request
---@param create fun(): T|nil, tide.Error|nil
---@return T|nil value, tide.Error|nil err login_throttled, those of `create`
function M.register(req, create)
  local network = network_of(req)
  if network then
    local free, wait = enter({ address_of("registration", network) })
    if not free then
      return nil, wait
    end
  end
  return create()
end

--- Forgets what was counted of an account, from all addresses.
---@param username string
---@return true|nil ok, tide.Error|nil err
function M.unlock(username)
  local account = hash("account", username)
  local written, failed = db.write({
    {
      "UPDATE login_attempts SET failures = 0, until_at = 0 WHERE account = ?",
      { account },
    },
  }, login_rows.WRITE)
  if not written then
    return nil, failed
  end
  -- Other keys from now on, in memory too.
  counts:incr("unlocked:" .. account)
  return true
end

--- The statement that stores a count as it is now.
---@param change string
---@return table
local function statement(change)
  local key, row, account = change:match("^(%S+) (%S+) (%S*)$")
  local wait = counts:ttl("wait:" .. key) or 0
  return {
    "INSERT INTO login_attempts (key, account, failures, until_at, known, "
      .. "seen_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
      .. "failures = excluded.failures, until_at = excluded.until_at, "
      .. "known = excluded.known, seen_at = excluded.seen_at",
    {
      row,
      account,
      math.max(counts:get("failures:" .. key) or 0, 0),
      time.unix() + (wait + 999) // 1000,
      counts:get("known:" .. key) and 1 or 0,
      time.unix(),
    },
  }
end

--- The statements that delete what is too old.
---@return table[] statements
local function forgetting()
  local now = time.unix()
  local delete = "DELETE FROM login_attempts WHERE known = ? AND seen_at < ?"
  return {
    { delete, { 0, now - FORGET_S } },
    { delete, { 1, now - FORGET_KNOWN_S } },
  }
end

--- Deletes what is too old, where the counts are in the database.
---@return table|nil ok, tide.Error|nil err
function M.forget_old()
  return db.write(forgetting(), login_rows.WRITE)
end

--- Stores what has changed since the last time.
---@return true|nil ok, tide.Error|nil err
function M.write()
  local last = counts:get("changed") or 0
  local first = math.max(counts:get("written") or 0, last - WRITE_MAX) + 1
  local seen, statements = {}, {}
  for number = first, last do
    local change = counts:get("change:" .. number)
    if change and not seen[change] then
      seen[change] = true
      statements[#statements + 1] = statement(change)
    end
  end
  if #statements == 0 then
    return true
  end
  table.move(forgetting(), 1, 2, #statements + 1, statements)
  local written, failed = db.write(statements)
  if not written then
    return nil, failed
  end
  counts:set("written", last)
  return true
end

timer.every("login_throttle.write", WRITE_MS, function()
  local store = nodes.is_shared() and M.forget_old or M.write
  local ok, err = store()
  if not ok then
    log.warn("counts of logins were not written", { code = err.code })
  end
end)

return M
