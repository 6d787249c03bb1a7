--- Fields that several requests have, declared once.

local M = {}

--- Printed, logged and sent on in JSON: one line of text.
local LINE = "^[^%c]*$"

--- A one-line text.
---@param name string
---@param max integer characters
---@param more? table further keys of the schema
---@return Schema
function M.line(name, max, more)
  local field = { name = name, type = "string", max = max, pattern = LINE }
  for key, value in pairs(more or {}) do
    field[key] = value
  end
  return field
end

---@return Schema of a new account's name
function M.username()
  return M.line("username", 50, { required = true, min = 3 })
end

---@param name string
---@param required boolean
---@return Schema of a password that is to be set
function M.new_password(name, required)
  return {
    name = name,
    type = "string",
    required = required,
    min = 6,
    max = 100,
  }
end

---@return Schema
function M.email()
  return M.line("email", 254)
end

---@return Schema
function M.model_name()
  return M.line("model_name", 200, { required = true })
end

--- The address that replaces the configuration's for one request; clients
--- write it in three ways.
---@return Schema
function M.override_url()
  return M.line("base_url", 2000, { aliases = { "BaseUrl", "baseUrl" } })
end

local FUNCTION_NAME =
  { name = "name", type = "string", required = true, max = 256 }

--- What a model may call, in OpenAI's form: functions, and other kinds, which
--- only some providers know.
---@return Schema
function M.tools()
  return {
    name = "tools",
    type = "array",
    max = 128,
    items = {
      type = "object",
      open = true,
      fields = {
        {
          name = "function",
          type = "object",
          open = true,
          fields = { FUNCTION_NAME },
        },
      },
    },
  }
end

--- The calls that an assistant's message has made.
---@return Schema
function M.tool_calls()
  return {
    name = "tool_calls",
    type = "array",
    max = 128,
    items = {
      type = "object",
      open = true,
      fields = {
        { name = "id", type = "string", required = true },
        {
          name = "function",
          type = "object",
          open = true,
          fields = {
            FUNCTION_NAME,
            { name = "arguments", type = "string" },
          },
        },
      },
    },
  }
end

--- An id in a path.
---@param name string
---@return Schema
function M.id(name)
  return { name = name, type = "integer", required = true, min = 1 }
end

--- A name in a path.
---@param name string
---@return Schema
function M.name(name)
  return { name = name, type = "string", required = true }
end

return M
