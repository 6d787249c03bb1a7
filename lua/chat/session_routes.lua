--- Sessions that are there: list, messages, delete.

local body_limits = require "web.body_limits"
local chat = require "chat.chat"
local chat_objects = require "chat.objects"
local export = require "chat.export"
local fields = require "web.fields"
local json = require "tide.json"
local llm_session = require "chat.llm_session"
local message_window = require "chat.message_window"
local messages = require "chat.messages"
local model_options = require "models.model_options"
local objects = require "web.objects"
local owner = require "chat.owner"
local pages = require "web.pages"
local session_manager = require "chat.session_manager"
local texts = require "lib.texts"

local BY_ID = { fields = { fields.name("session_id") } }

---@type table<string, fun(req: tide.Request)>
local handlers = {}

function handlers.list(req)
  local args = req.args
  local rows, total = chat.get_chat_sessions(
    req.user.id,
    args.page_size,
    pages.offset(args),
    chat_objects.session_schema,
    args.source
  )
  if not rows then
    return nil, total
  end
  return {
    json = {
      data = rows,
      pagination = pages.pagination(args, total),
    },
  }
end

--- The page that a request asks for.
---@param user_id integer
---@param args table
---@param schema Schema of a message
---@return MessagePage|MessageWindow|nil page
---@return tide.Error|nil err session_not_found, message_not_found
local function get_page(user_id, args, schema)
  local id = args.session_id
  if args.around ~= 0 or args.after ~= 0 then
    return message_window.get_window(user_id, id, args, schema)
  end
  return messages.get_chat_messages(
    user_id,
    id,
    args.cursor,
    args.limit,
    args.leaf,
    schema
  )
end

function handlers.messages(req)
  local schema = chat_objects.message_schema_in(req.language)
  local page, err = get_page(req.user.id, req.args, schema)
  if not page then
    return nil, err
  end
  return {
    json = {
      data = page.rows,
      cursor = page.cursor,
      has_more = page.has_more,
      has_newer = page.has_newer,
      leaf = page.leaf,
      newest = page.newest,
    },
  }
end

function handlers.context(req)
  local session = llm_session.new(req.user.id, req.language)
  session:set_session_id(req.args.session_id)
  local messages_sent, err = session:get_messages()
  if not messages_sent then
    return nil, err
  end
  return { json = { data = json.array(messages_sent) } }
end

function handlers.export(req)
  local args, user_id = req.args, req.user.id
  local session, unknown = chat.get_chat_session(user_id, args.session_id)
  if not session then
    return nil, unknown
  end
  return {
    chunks = function(write)
      if args.format == "md" then
        return export.write_markdown(user_id, session, req.language, write)
      end
      return export.write_json(user_id, session, req.language, write)
    end,
    content_type = args.format == "md" and "text/markdown; charset=utf-8"
      or "application/json; charset=utf-8",
    headers = {
      -- Session ids hold nothing that would need quoting.
      ["Content-Disposition"] = ('attachment; filename="%s.%s"')
        :format(session.session_id, args.format),
    },
  }
end

function handlers.update(req)
  local row, err = session_manager.update_session(
    req.user.id,
    req.args.session_id,
    req.body,
    req.language
  )
  if not row then
    return nil, err
  end
  return { json = { session = chat_objects.session(row) } }
end

function handlers.delete(req)
  local ok, err =
    session_manager.delete_session(req.user.id, req.args.session_id)
  if not ok then
    return nil, err
  end
  return { json = { message = texts.get(req.language, "session_deleted") } }
end

---@type tide.Route[]
return {
  {
    method = "GET",
    path = "/api/chat/sessions",
    auth = "user",
    summary = "The caller's sessions, last changed first",
    query = objects.with(pages.numbered(20, 100), {
      source = {
        type = "string",
        enum = { chat.CHAT, chat.RESPONSES },
        doc = "default: chat",
      },
    }),
    response = objects.object({
      data = objects.list(chat_objects.session_schema),
      pagination = pages.pagination_schema,
    }),
    handler = handlers.list,
  },
  {
    method = "GET",
    path = "/api/chat/sessions/:session_id/messages",
    auth = "user",
    owner = owner,
    summary = "A session's messages, page by page back from the newest",
    params = BY_ID,
    query = pages.cursor(),
    response = objects.object({
      data = objects.list(chat_objects.message_schema),
      cursor = "integer",
      has_more = "boolean",
      has_newer = "boolean", -- this and the next: with `around` or `after`
      leaf = "integer",
      newest = "integer",
    }),
    handler = handlers.messages,
  },
  {
    method = "GET",
    path = "/api/chat/sessions/:session_id/context",
    auth = "user",
    summary = "The history that the model would get with the next message",
    params = BY_ID,
    response = objects.object({
      data = objects.list(objects.object({
        role = "string",
        content = "string",
      })),
    }),
    handler = handlers.context,
  },
  {
    method = "GET",
    path = "/api/chat/sessions/:session_id/export",
    auth = "user",
    owner = owner,
    summary = "A session as a file: json (everything) or md (for people)",
    params = BY_ID,
    query = {
      fields = {
        {
          name = "format",
          type = "string",
          enum = { "json", "md" },
          default = "json",
        },
      },
    },
    answer = "the file, as an attachment",
    handler = handlers.export,
  },
  {
    method = "PATCH",
    path = "/api/chat/sessions/:session_id",
    auth = "user",
    summary = "Change a session's title, persona, model or options",
    params = BY_ID,
    body_max = body_limits.FORM,
    request = {
      fields = {
        fields.line("title", 200),
        fields.line("persona", 100),
        fields.line("model_name", 200),
        model_options.field(model_options.deadlines_field()),
      },
    },
    response = objects.object({ session = chat_objects.session_schema }),
    handler = handlers.update,
  },
  {
    method = "DELETE",
    path = "/api/chat/sessions/:session_id",
    auth = "user",
    owner = owner,
    summary = "Delete a session with all its messages",
    params = BY_ID,
    response = objects.object({ message = "string" }),
    handler = handlers.delete,
  },
}
