--- Finding messages by what they say.

local json = require "tide.json"
local search = require "tide.search"

local M = {}

--- So many are counted, and can be paged through: counting on would take
--- longer than anybody looks.
local COUNT_MAX = 10000

--- One page of the caller's messages that have all parts of `q`, newest first.
---@param user_id integer
---@param q string not blank
---@param limit integer
---@param offset integer
---@param schema? Schema of a row, for a page that is only passed on
---@return table[]|tide.Raw|nil rows with a schema JSON, as of search.json
---@return integer|tide.Error total at most COUNT_MAX
---@return boolean|nil capped there are more than `total`
function M.find_messages(user_id, q, limit, offset, schema)
  local ready, unready = search.index(user_id)
  if not ready then
    return nil, unready
  end
  local counted, failed = search.count(user_id, q, COUNT_MAX + 1)
  if not counted then
    return nil, failed
  end
  local total = math.min(counted, COUNT_MAX)
  local capped = counted > COUNT_MAX
  limit = math.min(limit, total - offset)
  if limit <= 0 then
    return json.array({}), total, capped
  end
  local rows, err
  if schema then
    rows, err = search.json(user_id, q, limit, offset, schema)
  else
    rows, err = search.find(user_id, q, limit, offset)
  end
  if not rows then
    return nil, err
  end
  return rows, total, capped
end

return M
