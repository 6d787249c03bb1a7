--- The objects of the contract (section 2): their schemas for the docs and how
--- a database row becomes one. Key names are exactly the contract's, and this
--- is the only place that knows them.

local json = require "tide.json"
local tool_calls = require "providers.tool_calls"

local M = {}

--- The schema of an object.
---@param fields table<string, Schema|string> field -> schema or plain type
---@return Schema
function M.object(fields)
  local list = {}
  for name, schema in pairs(fields) do
    local field = { name = name }
    if type(schema) == "string" then
      field.type = schema
    else
      for key, value in pairs(schema) do
        field[key] = value
      end
    end
    list[#list + 1] = field
  end
  table.sort(list, function(a, b)
    return a.name < b.name
  end)
  return { type = "object", fields = list }
end

---@param schema Schema
---@return Schema
function M.list(schema)
  return { type = "array", items = schema }
end

--- Makes an object of each row; the result is a JSON list also when empty.
---@param rows table[]
---@param present fun(row: table): any
---@return table[]
function M.map(rows, present)
  local result = json.array({})
  for i, row in ipairs(rows) do
    result[i] = present(row)
  end
  return result
end

M.user_schema = M.object({
  id = "integer",
  username = "string",
  email = "string",
  created_at = "string",
})

---@param row table of users
---@return table user
function M.user(row)
  return {
    id = row.id,
    username = row.username,
    email = row.email,
    created_at = row.created_at,
  }
end

M.session_schema = M.object({
  SessionID = "string",
  UserID = "integer",
  Title = "string",
  ModelName = "string",
  MessageCount = "integer",
  CreatedAt = "string",
  UpdatedAt = "string",
  Persona = "string",
})

---@param row table of chat_sessions
---@return table ChatSession
function M.session(row)
  return {
    SessionID = row.session_id,
    UserID = row.user_id,
    Title = row.title,
    ModelName = row.model_name,
    MessageCount = row.message_count,
    CreatedAt = row.created_at,
    UpdatedAt = row.updated_at,
    Persona = row.persona,
  }
end

M.usage_schema = M.object({
  input_tokens = "integer",
  output_tokens = "integer",
  estimated = "boolean",
})

M.tool_calls_schema = M.list({ type = "object" })

M.message_schema = M.object({
  id = "integer",
  role = "string",
  content = "string",
  created_at = "string",
  status = "string",
  parent_id = "integer",
  siblings = M.list({ type = "integer" }),
  file_ids = M.list({ type = "integer" }),
  model_name = "string",
  usage = M.usage_schema,
  tool_calls = M.tool_calls_schema,
})

---@param row table of chat_messages
---@return table message
function M.message(row)
  return {
    id = row.id,
    role = row.role,
    content = row.content,
    created_at = row.created_at,
    status = row.status,
    parent_id = row.parent_id or json.null,
    siblings = row.siblings,
    file_ids = (json.decode(row.file_ids)),
    model_name = row.model_name,
    usage = row.usage and (json.decode(row.usage)) or nil,
    tool_calls = tool_calls.field(row.tool_calls),
  }
end

M.file_schema = M.object({
  ID = "integer",
  CreatedAt = "string",
  UpdatedAt = "string",
  DeletedAt = "string",
  SessionID = "string",
  FileName = "string",
  FilePath = "string",
  FileSize = "integer",
  FileType = "string",
  Content = "string",
  IsProcessed = "boolean",
})

---@param row table of files/files
---@return table UploadedFile
function M.file(row)
  return {
    ID = row.id,
    CreatedAt = row.created_at,
    UpdatedAt = row.updated_at,
    DeletedAt = json.null, -- deleted files have no row
    SessionID = row.session_id,
    FileName = row.file_name,
    FilePath = row.file_key,
    FileSize = row.file_size,
    FileType = row.file_type,
    Content = row.content,
    IsProcessed = row.is_processed ~= 0,
  }
end

M.found_schema = M.object({
  session_id = "string",
  message_id = "integer",
  role = "string",
  title = "string",
  snippet = "string",
  created_at = "string",
})

---@param row table of chat/search
---@return table
function M.found(row)
  return {
    session_id = row.session_id,
    message_id = row.message_id,
    role = row.role,
    title = row.title,
    snippet = row.snippet,
    created_at = row.created_at,
  }
end

M.deadlines_schema = M.object({
  connect = "integer",
  first_byte = "integer",
  between = "integer",
  total = "integer",
})

M.api_schema = M.object({
  id = "integer",
  api_name = "string",
  model_name = "string",
  base_url = "string",
  api_key = "string",
  provider = "string",
  deadlines = M.deadlines_schema,
  created_at = "string",
  updated_at = "string",
})

--- The api objects alone write times as YYYY-MM-DD HH:MM:SS.
---@param time string RFC 3339
---@return string
local function plain_time(time)
  return time:sub(1, 10) .. " " .. time:sub(12, 19)
end

---@param row table of user_apis
---@return table api with its key masked
function M.api(row)
  return {
    id = row.id,
    api_name = row.api_name,
    model_name = row.model_name,
    base_url = row.base_url,
    api_key = row.api_key_mask, -- the whole mask, see models/user_apis
    provider = row.provider,
    deadlines = {
      connect = row.connect_ms,
      first_byte = row.first_byte_ms,
      between = row.between_ms,
      total = row.total_ms,
    },
    created_at = plain_time(row.created_at),
    updated_at = plain_time(row.updated_at),
  }
end

local KEY = {
  id = "integer",
  name = "string",
  prefix = "string",
  created_at = "string",
  last_used_at = "string",
}
M.key_schema = M.object(KEY)

--- The answer to the making of a key has the key itself as well.
M.new_key_schema = M.object({
  key = "string",
  id = KEY.id,
  name = KEY.name,
  prefix = KEY.prefix,
  created_at = KEY.created_at,
  last_used_at = KEY.last_used_at,
})

---@param row table of api_keys
---@return table key without what opens a door
function M.key(row)
  return {
    id = row.id,
    name = row.name,
    prefix = row.prefix,
    created_at = row.created_at,
    last_used_at = row.last_used_at or json.null,
  }
end

M.usage_day_schema = M.object({
  date = "string",
  model_name = "string",
  requests = "integer",
  input_tokens = "integer",
  output_tokens = "integer",
  estimated = "boolean",
  possibly_charged_twice = "integer",
})

---@param row table of usage_days
---@return table
function M.usage_day(row)
  return {
    date = row.day,
    model_name = row.model_name,
    requests = row.requests,
    input_tokens = row.input_tokens,
    output_tokens = row.output_tokens,
    estimated = row.estimated > 0,
    possibly_charged_twice = row.charged_twice,
  }
end

M.pagination_schema = M.object({
  page = "integer",
  page_size = "integer",
  total = "integer",
  total_pages = "integer",
  capped = "boolean", -- only when there are more than `total`
})

return M
