--- Counts of attempts to log in where several servers share the database. Each
--- attempt is counted in the rows themselves, so all nodes count together, and
--- nobody gets more guesses from more nodes. It costs a login two reads and two
--- writes, which is little beside a password's hash, and who has to wait reads.

local db = require "tide.db"
local errors = require "lib.errors"
local policy = require "policy.login"
local time = require "tide.time"

local M = {}

--- Of several attempts that change a row at once one does, and the others look
--- again; at most as many as go before one has to wait.
local TRIES = 64

--- Options of each write that changes these rows, whose order batches of other
--- nodes do not know: one lock for all of them, which is no user's
--- (TT_DB_LOCK_LOGIN in core/db/db.h).
M.WRITE = { user = math.maxinteger - 1 }

---@class LoginRow
---@field failures integer
---@field until_at integer
---@field known integer
---@field seen_at integer since when failures are counted

local SQL_READ = "SELECT key, failures, until_at, known, seen_at "
  .. "FROM login_attempts WHERE key IN (?, ?)"

--- Changes the row that was read, or makes the one that was not there.
local SQL_CHANGE = [[
INSERT INTO login_attempts (key, account, failures, until_at, known, seen_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO UPDATE SET
  failures = excluded.failures, until_at = excluded.until_at,
  known = excluded.known, seen_at = excluded.seen_at
WHERE login_attempts.failures = ?7 AND login_attempts.until_at = ?8
  AND login_attempts.seen_at = ?9]]

---@param list LoginCount[] one or two
---@return table<string, LoginRow>|nil rows by key, tide.Error|nil err
local function read(list)
  local found, err =
    db.query(SQL_READ, { list[1].row, (list[2] or list[1]).row })
  if not found then
    return nil, err
  end
  local rows = {}
  for _, row in ipairs(found) do
    rows[row.key] = row
  end
  return rows
end

--- What a row means now: failures are forgotten after a while.
---@param count LoginCount
---@param row LoginRow|nil
---@param now integer
---@return LoginRow row a new one
local function current(count, row, now)
  local known = row and row.known or 0
  if
    not row
    or row.failures <= 0
    or row.seen_at + policy.limits[count.kind].window <= now
  then
    return { failures = 0, until_at = 0, known = known, seen_at = now }
  end
  return {
    failures = row.failures,
    until_at = row.until_at,
    known = known,
    seen_at = row.seen_at,
  }
end

---@param count LoginCount
---@param old LoginRow|nil
---@param new LoginRow
---@return table statement
local function changing(count, old, new)
  local was = old or { failures = -1, until_at = -1, seen_at = -1 }
  return {
    SQL_CHANGE,
    {
      count.row,
      count.account,
      new.failures,
      new.until_at,
      new.known,
      new.seen_at,
      was.failures,
      was.until_at,
      was.seen_at,
    },
  }
end

--- Changes all counts, unless one of them has to wait.
---@param list LoginCount[]
---@param change fun(count: LoginCount, row: LoginRow, now: integer): integer
--- changes the row; how many seconds are to be waited instead
---@return integer|nil seconds 0: it is done
---@return tide.Error|nil err busy
---@return LoginCount[] left those that were not changed
local function change_all(list, change)
  local left = list
  for _ = 1, TRIES do
    local rows, unread = read(left)
    if not rows then
      return nil, unread, left
    end
    local now, longest, statements = time.unix(), 0, {}
    for i, count in ipairs(left) do
      local row = current(count, rows[count.row], now)
      longest = math.max(longest, change(count, row, now))
      statements[i] = changing(count, rows[count.row], row)
    end
    if longest > 0 then
      return longest, nil, left
    end
    local done, err = db.write(statements, M.WRITE)
    if not done then
      return nil, err, left
    end
    local rest = {}
    for i, count in ipairs(left) do
      if done[i].changes == 0 then
        rest[#rest + 1] = count
      end
    end
    left = rest
    if #left == 0 then
      return 0, nil, left
    end
  end
  return nil, errors.new("busy"), left
end

--- Whether somebody has logged in to the account from there before.
---@param pair LoginCount
---@return boolean|nil known, tide.Error|nil err
function M.is_known(pair)
  local rows, err = read({ pair })
  if not rows then
    return nil, err
  end
  local row = rows[pair.row]
  return row ~= nil and row.known ~= 0
end

--- Takes an attempt back, because it was right or the password was not looked
--- at.
---@param list LoginCount[]
---@param logged_in LoginCount|nil whose attempts before it are forgotten too
---@return integer|nil done, tide.Error|nil err
function M.take_back(list, logged_in)
  return change_all(list, function(count, row, now)
    row.failures = math.max(row.failures - 1, 0)
    if count == logged_in then
      row.failures, row.known, row.seen_at = 0, 1, now
    end
    if policy.wait(count.kind, row.failures) == 0 then
      row.until_at = 0
    end
    return 0
  end)
end

--- Takes an attempt back where it was counted already.
---@param list LoginCount[]
---@param left LoginCount[] those where it was not
local function take_back_others(list, left)
  local counted = {}
  for _, count in ipairs(list) do
    if count ~= left[1] and count ~= left[2] then
      counted[#counted + 1] = count
    end
  end
  M.take_back(counted)
end

--- Counts an attempt in, unless one of the counts has to wait.
---@param list LoginCount[]
---@return integer|nil seconds 0: it is counted, tide.Error|nil err
function M.enter(list)
  local seconds, err, left = change_all(list, function(count, row, now)
    if row.until_at > now then
      return row.until_at - now
    end
    row.failures = row.failures + 1
    local wait = policy.wait(count.kind, row.failures)
    row.until_at = wait > 0 and now + wait + 1 or 0 -- `now` is rounded down
    return 0
  end)
  if seconds ~= 0 and #left < #list then
    take_back_others(list, left)
  end
  return seconds, err
end

return M
