---@meta tide.messages

--- Conversations whose texts stay in the core: they go from the database into
--- the request to a model without becoming Lua strings, however long they are.
--- A script may count them, look at single messages, cut the conversation and
--- add to it.
---
--- ```lua
--- local history, err = db.messages(SQL, { user.id, session_row })
--- if not history then
---   return nil, err
--- end
--- history:keep_pairs(20)
--- history:add("user", "And the moon?")
--- ```
---@class tide.messages
local messages = {}

--- A conversation from tables.
---@param list? {role: string, content: string|table[], id?: integer, file_ids?: string, files?: table}[]
--- default: none
---@return tide.Messages
function messages.new(list) end

--- A conversation. `#conversation` is the number of its messages; numbers of
--- messages begin with 1. Encoded as JSON it is a list of messages in OpenAI's
--- form.
---@class tide.Messages
local Messages = {}

--- Who has written a message.
---@param i integer
---@return "user"|"assistant"|"system"|"developer"|"tool" role
function Messages:role(i) end

--- A message's content: a string is made of it, which costs its length.
---@param i integer
---@return string|table[] content
function Messages:content(i) end

--- The id of a message's row.
---@param i integer
---@return integer|nil id
function Messages:id(i) end

--- The column file_ids of a message's row.
---@param i integer
---@return string json "" when there is none
function Messages:file_ids(i) end

--- What set_files has noted.
---@param i integer
---@return table|nil files
function Messages:files(i) end

--- The numbers of the messages that have file_ids or files.
---@return integer[] numbers
function Messages:with_files() end

--- Whether the content of a message is a list of parts instead of a text.
---@return boolean
function Messages:has_parts() end

--- The length of the text.
---@param i? integer a message; default: all
---@return integer bytes
function Messages:bytes(i) end

--- About how many tokens the text has.
---@param i? integer a message; default: all
---@return integer tokens
function Messages:tokens(i) end

--- The messages as tables.
---@param rows? boolean with id, file_ids and files
---@return tide.ChatMessage[] messages
function Messages:tables(rows) end

--- Adds a message at the end.
---@param role string
---@param content string|table[]
---@return nil
function Messages:add(role, content) end

--- Adds a message before another one.
---@param i integer where it will be
---@param role string
---@param content string|table[]
---@return nil
function Messages:insert(i, role, content) end

--- Changes a message's content.
---@param i integer
---@param content string|table[]
---@return nil
function Messages:set(i, content) end

--- Notes what belongs to a message.
---@param i integer
---@param files table
---@return nil
function Messages:set_files(i, files) end

--- Takes a message out.
---@param i integer
---@return nil
function Messages:remove(i) end

--- Keeps a user's messages with the replies that follow them, the last `count`
--- pairs. A turn whose reply has no text is left out.
---@param count integer
---@return nil
function Messages:keep_pairs(count) end

--- The same, as many of the last pairs as have at most so many bytes together.
---@param limit integer
---@return nil
function Messages:keep_bytes(limit) end

--- The same by tokens.
---@param limit integer
---@return nil
function Messages:keep_tokens(limit) end

--- Frees the texts now; nothing is left in it.
---@return nil
function Messages:drop() end

return messages
