--- What must hold after each job that the database has run, whoever sent it.

local M = {}

local SQL_MESSAGES = "SELECT id, session_row, role, status, content, parent_id "
  .. "FROM chat_messages ORDER BY id"
local SQL_STRAY_CHUNKS = "SELECT c.message_id FROM reply_chunks AS c "
  .. "JOIN chat_messages AS m ON m.id = c.message_id "
  .. "WHERE m.status <> 'streaming' LIMIT 1"
local SQL_LEFT = "SELECT (SELECT COUNT(*) FROM chat_messages "
  .. "WHERE status = 'streaming') AS streaming, "
  .. "(SELECT COUNT(*) FROM chat_sessions WHERE turn_node IS NOT NULL) AS turns, "
  .. "(SELECT COUNT(*) FROM reply_chunks) AS chunks"

---@class Known what the simulation knows of a message that the database does not tell
---@field text string the whole reply
---@field epoch integer|nil of the turn that may write to it
---@field stored integer bytes that a checkpoint has stored
---@field ended table|nil {status, content} since it has ended

---@param form string
local function violated(form, ...)
  error({ violation = form:format(...) })
end

--- Who wrote, and whether it might.
local function check_writer(known, note, outcomes)
  local message = note.message and known[note.message]
  if note.kind == "begin" then
    known[outcomes[3].id] =
      { text = note.text, epoch = note.epoch, stored = 0 }
  elseif not message or outcomes[1].changes == 0 then
    return
  elseif note.kind == "repair" then
    message.epoch = nil
  elseif note.kind == "reopen" then
    message.epoch, message.ended = note.epoch, nil
  elseif message.epoch ~= note.epoch then
    violated("%s of message %d by another turn than its own", note.kind, note.message)
  elseif note.kind == "checkpoint" then
    message.stored = math.max(message.stored, note.upto)
  else
    message.epoch = nil
  end
end

local function check_reply(row, message)
  local is_prefix = message.text:sub(1, #row.content) == row.content
  if row.status == "streaming" then
    if message.ended then
      violated("message %d runs again", row.id)
    end
    return
  elseif not message.ended then
    message.ended = { row.status, row.content }
    if not is_prefix then
      violated("message %d is '%s'", row.id, row.content)
    elseif row.status == "complete" and row.content ~= message.text then
      violated("message %d is complete and has a part", row.id)
    elseif #row.content < message.stored then
      violated("message %d has lost what was stored", row.id)
    end
  elseif message.ended[1] ~= row.status or message.ended[2] ~= row.content then
    violated(
      "message %d had ended as %s, and is %s",
      row.id, message.ended[1], row.status
    )
  end
end

--- Sessions are paths of questions and their replies, and one reply runs.
local function check_rows(known)
  local newest, running = {}, {}
  for _, row in ipairs(sim.query(SQL_MESSAGES, {})) do
    if row.parent_id ~= newest[row.session_row] then
      violated("message %d does not follow the newest one", row.id)
    end
    newest[row.session_row] = row.id
    if row.role == "assistant" then
      check_reply(row, known[row.id])
    end
    if row.status == "streaming" then
      if running[row.session_row] then
        violated("two replies run in a session")
      end
      running[row.session_row] = true
    end
  end
end

---@param known table<integer, Known> changed
---@param note table what the job means
---@param outcomes table[]
function M.after_job(known, note, outcomes)
  check_writer(known, note, outcomes)
  check_rows(known)
  local stray = sim.query(SQL_STRAY_CHUNKS, {})[1]
  if stray then
    violated("message %d has ended and has chunks", stray.message_id)
  end
end

--- Whether no turn runs, and none that has ended is left behind.
---@return boolean
function M.is_quiet()
  local left = sim.query(SQL_LEFT, {})[1]
  return left.streaming + left.turns + left.chunks == 0
end

--- What every client was told is there once, whole, in its order; nothing is
--- left behind.
---@param operations table[] {session, text, outcome, began, ended}
function M.at_rest(operations)
  if not M.is_quiet() then
    local left = sim.query(SQL_LEFT, {})[1]
    violated(
      "left behind: %d replies, %d turns, %d chunks",
      left.streaming, left.turns, left.chunks
    )
  end
  local rows = {}
  for _, row in ipairs(sim.query(SQL_MESSAGES, {})) do
    rows[row.id] = row
    if row.role == "user" then
      if rows[row.content] then
        violated("'%s' is stored twice", row.content)
      end
      rows[row.content] = row
    end
  end
  for _, operation in ipairs(operations) do
    local question = rows[operation.text]
    if operation.outcome == "refused" and question then
      violated("'%s' was refused, and is stored", operation.text)
    elseif operation.outcome and operation.outcome ~= "refused" then
      if not question then
        violated("'%s' is lost", operation.text)
      end
      local reply = rows[operation.reply.message_id]
      if operation.outcome == "ok" and reply.status ~= "complete" then
        violated("the reply to '%s' was told whole", operation.text)
      end
    end
  end
end

return M
