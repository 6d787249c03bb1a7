--- Stored responses: each is a session of its own, with what its client asked
--- in a row beside it. A response that continues another one names it; what
--- both said together is put together when it is asked for.

local chat = require "chat.chat"
local config = require "tide.config"
local crypto = require "tide.crypto"
local db = require "tide.db"
local disconnect_policy = require "policy.disconnect"
local errors = require "lib.errors"
local files = require "files.files"
local json = require "tide.json"
local llm = require "tide.llm"
local log = require "tide.log"
local openai = require "doors.openai"
local response_input = require "doors.response_input"
local resume = require "chat.resume"
local time = require "tide.time"
local timer = require "tide.timer"
local title_policy = require "policy.title"

local M = {}

--- So many responses may follow each other.
local CHAIN_MAX = 1000

--- An id that nobody can guess.
---@return string
function M.new_id()
  return "resp_" .. crypto.random_hex_digits(32)
end

local SQL_CHAIN = [[
WITH RECURSIVE chain (session_row, previous_id, depth) AS (
  SELECT s.id, r.previous_id, 1
  FROM chat_sessions AS s JOIN responses AS r ON r.session_row = s.id
  WHERE s.session_id = ?1 AND s.user_id = ?2
  UNION ALL
  SELECT s.id, r.previous_id, chain.depth + 1
  FROM chain JOIN chat_sessions AS s ON s.session_id = chain.previous_id
  JOIN responses AS r ON r.session_row = s.id
  WHERE s.user_id = ?2 AND chain.depth < ?3
)
SELECT s.session_id, s.created_at AS begun_at, r.previous_id, r.message_id,
  r.input, r.head, m.id, m.parent_id, m.content, m.reasoning, m.tool_calls,
  m.steps, m.runs, m.status, m.finish_reason, m.error_code, m.usage,
  m.updated_at, m.file_ids
FROM chain JOIN responses AS r ON r.session_row = chain.session_row
JOIN chat_sessions AS s ON s.id = chain.session_row
JOIN chat_messages AS m ON m.id = r.message_id
WHERE m.user_id = ?2 ORDER BY chain.depth DESC]]

---@class StoredResponse a row of SQL_CHAIN
---@field session_id string the response's id
---@field previous_id string|nil
---@field message_id integer of its reply
---@field input string JSON
---@field head string JSON
---@field status string of its reply
---@field file_ids string JSON: the files of its reply
---@field images? tide.Image[] of its reply, set by M.reply

---@param user_id integer
---@param id string
---@return StoredResponse|nil response
---@return tide.Error|nil err response_not_found
function M.find(user_id, id)
  local row, err = db.one(SQL_CHAIN, { id, user_id, 1 })
  if not row then
    return nil, err or errors.new("response_not_found", { id = id })
  end
  return row
end

--- The images that a response has answered with. Those that are gone, or no
--- images, are left out.
---@param user_id integer
---@param stored StoredResponse
---@return tide.Image[]|nil images, tide.Error|nil err busy
local function images_of(user_id, stored)
  local images = {}
  for _, id in ipairs(json.decode(stored.file_ids)) do
    local row = files.get_file_by_id(user_id, id)
    local image, err
    if row then
      image, err = files.read_image(row)
    end
    if err and err.code == "busy" then
      return nil, err
    end
    images[#images + 1] = image
  end
  return images
end

--- The reply of a response, running or ended.
---@param user_id integer
---@param stored StoredResponse
---@return tide.Reply|nil reply, tide.Error|nil err busy, response_not_found
function M.reply(user_id, stored)
  if stored.status ~= "streaming" then
    local images, unread = images_of(user_id, stored)
    if not images then
      return nil, unread
    end
    stored.images = images
    return resume.restore(user_id, stored)
  end
  local reply, err =
    resume.get_reply(user_id, stored.session_id, stored.message_id)
  if err and err.code == "session_not_found" then
    err = errors.new("response_not_found", { id = stored.session_id })
  end
  return reply, err
end

--- What the core needs to know of a response.
---@param stored StoredResponse
---@return ResponseParts
function M.parts(stored)
  return { id = stored.session_id, head = stored.head }
end

--- The items that a response has answered with.
---@param user_id integer
---@param stored StoredResponse
---@param images? boolean its images are read too: they are the last items
---@return tide.Raw|nil output a list
---@return tide.Error|nil err response_running, busy
local function output_of(user_id, stored, images)
  if stored.status == "streaming" then
    return nil, errors.new("response_running", { id = stored.session_id })
  end
  local restore = images and M.reply or resume.restore
  local reply, err = restore(user_id, stored)
  if not reply then
    return nil, err
  end
  return reply:response(M.parts(stored)):get("output")
end

--- Adds to a conversation what a response and those before it were about.
---@param about ConversationOfItems changed
---@param user_id integer
---@param id string of the last one
---@return true|nil ok
---@return tide.Error|nil err previous_response_not_found, response_running
function M.add_context(about, user_id, id)
  local chain, err = db.query(SQL_CHAIN, { id, user_id, CHAIN_MAX })
  if not chain then
    return nil, err
  elseif not chain[1] or chain[1].previous_id then
    return nil,
      errors.new("previous_response_not_found", {
        field = "previous_response_id",
        id = id,
      })
  end
  for _, stored in ipairs(chain) do
    local output, unready = output_of(user_id, stored)
    if not output then
      return nil, unready
    end
    for _, list in ipairs({ json.raw(stored.input), output }) do
      local ok, bad = response_input.add(about, response_input.items(list))
      if not ok then
        return nil, bad
      end
    end
  end
  return true
end

--- The item that an id names: it has the response's own and its number.
---@param user_id integer
---@param id string
---@return tide.Raw|nil item, tide.Error|nil err item_not_found
local function find_item(user_id, id)
  local kind, suffix, of_input, number = id:match("^(%l+)_(%x+)_(i?)(%d+)$")
  local stored = suffix and M.find(user_id, "resp_" .. suffix)
  local list, err
  if stored and of_input == "i" then
    list = json.raw(stored.input)
  elseif stored then
    list, err = output_of(user_id, stored, kind == "ig")
  end
  local item = list and list:get(math.tointeger(tonumber(number)))
  if not item then
    return nil,
      err or errors.new("item_not_found", { field = "input", id = id })
  end
  return item
end

--- Puts items in the places of references to them.
---@param user_id integer
---@param items any[] changed
---@return true|nil ok, tide.Error|nil err item_not_found
function M.resolve(user_id, items)
  for i, item in ipairs(items) do
    local id = response_input.reference(item)
    if id then
      local found, err = find_item(user_id, id)
      if not found then
        return nil, err
      end
      items[i] = found
    end
  end
  return true
end

--- The items of a response's input, with their ids.
---@param stored StoredResponse
---@return tide.Raw[]
function M.input_items(stored)
  local items = {}
  local suffix = stored.session_id:match("_(.*)$")
  for i, item in json.raw(stored.input):each() do
    items[i + 1] = response_input.shown(item, ("msg_%s_i%d"):format(suffix, i))
  end
  return items
end

---@class NewResponse
---@field id string
---@field head string
---@field items any[] of its input
---@field previous_id string|nil
---@field language "zh"|"en"
---@field stream boolean

--- The statement that stores what a client asked.
---@param user_id integer
---@param new NewResponse
---@param message_id any stands for the reply's id
---@return table[] statements
local function storing(user_id, new, message_id)
  return {
    {
      "INSERT INTO responses (session_row, user_id, message_id, previous_id, "
        .. "input, head) VALUES ((SELECT id FROM chat_sessions "
        .. "WHERE session_id = ? AND user_id = ?), ?, ?, ?, ?, ?)",
      {
        new.id,
        user_id,
        user_id,
        message_id,
        new.previous_id or json.null,
        json.encode(json.array(new.items)),
        new.head,
      },
      expect = 1,
    },
  }
end

--- Stores a response and begins its reply.
---@param spec tide.StartSpec of completions.prepare; changed
---@param model Model|DoorAnswer
---@param messages table[] that the model gets
---@param new NewResponse
---@return tide.Reply|nil reply
---@return tide.Error|nil err too_many_replies and those of chat.chat
function M.start(spec, model, messages, new)
  local user_id = spec.user_id
  spec.session_id = new.id
  spec.image_room = files.image_room()
  spec.disconnect = spec.disconnect
    or disconnect_policy.choose({
      user_id = user_id,
      session_id = new.id,
      model_name = model.name,
      provider = model.provider.name,
      stream = new.stream,
    })
  local turn, refused = llm.enter(user_id, new.id)
  if not turn then
    return nil, refused
  end
  local question = openai.last_question(messages)
  local saved, unsaved = chat.save_chat_message(user_id, {
    session_id = new.id,
    title = title_policy.from_message(question)
      or title_policy.placeholder(model.name, new.language),
    model_name = model.name,
    persona = "",
    message_count = 0,
    source = chat.RESPONSES,
  }, {
    message = question,
    lease = turn:lease(),
    stored_with = function(message_id)
      return storing(user_id, new, message_id)
    end,
  })
  if not saved then
    return nil, unsaved
  end
  spec.turn = turn
  spec.session_row = saved.session_row
  spec.message_id = saved.message_id
  spec.user_message_id = saved.user_message_id
  return llm.start(spec)
end

--- How often expired responses are looked for, and how many go at once.
local EXPIRE_MS = 60000
local EXPIRE_ROWS = 100
local DAY_US = 24 * 60 * 60 * 1000000

--- Deletes responses that are older than the setting allows.
---@return integer|nil count, tide.Error|nil err
function M.expire()
  local now = time.unix() * 1000000
  local oldest = time.format(now - config.get("responses.expiry") * DAY_US)
  -- The index by age has no sessions of source 'chat', and is chosen only
  -- where the statement says so itself.
  local rows, err = db.query(
    "SELECT user_id, session_id FROM chat_sessions WHERE source <> 'chat' "
      .. "AND source = ? AND created_at < ? AND user_id IS NOT NULL "
      .. "ORDER BY created_at LIMIT ?",
    { chat.RESPONSES, oldest, EXPIRE_ROWS }
  )
  if not rows then
    return nil, err
  end
  for _, row in ipairs(rows) do
    local ok, failed = chat.delete_chat_session(row.user_id, row.session_id)
    if not ok and failed.code ~= "session_not_found" then
      return nil, failed
    end
  end
  return #rows
end

timer.every("responses.expire", EXPIRE_MS, function()
  local count, err
  repeat
    count, err = M.expire()
  until count ~= EXPIRE_ROWS
  if err then
    log.error("expired responses could not be deleted", { code = err.code })
  end
end)

return M
