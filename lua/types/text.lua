---@meta tide.text

--- Lua's strings are bytes; these treat them as UTF-8 text.
---
--- ```lua
--- local title = text.prefix(text.squeeze(message), 30)
--- ```
---@class tide.text
local text = {}

--- How many characters (code points) a text has.
---@param s string valid UTF-8
---@return integer characters
function text.count(s) end

--- The first n characters, never cutting one.
---@param s string valid UTF-8
---@param n integer
---@return string prefix
function text.prefix(s, n) end

--- About how many tokens a model counts: an ideograph, kana or hangul syllable
--- is one token; so are two other letters, or four ASCII characters.
---@param s string
---@return integer
function text.tokens(s) end

--- The same of a conversation in OpenAI's form, which stays as it came.
---@param messages tide.Raw a list of messages
---@return integer tokens of their texts and of their tool calls
---@return integer messages how many they are
---@return integer others parts of contents that are no texts, such as pictures
function text.message_tokens(messages) end

--- As much as fits into n bytes, never cutting a character.
---@param s string valid UTF-8
---@param n integer bytes
---@return string prefix
function text.truncate(s, n) end

--- The characters, one string each. Bytes that are not UTF-8 are separate
--- strings.
---@param s string at most 1 MiB
---@return string[] characters
function text.chars(s) end

--- Makes one line of a text: removes white space and control characters at
--- both ends and replaces each run of them within by one space. Unicode's spaces
--- count too, such as the wide one of Chinese text, and the byte order mark.
---@param s string valid UTF-8
---@return string squeezed
function text.squeeze(s) end

--- Whether bytes are UTF-8 (RFC 3629).
---@param s string
---@return boolean valid
function text.valid(s) end

--- A text as a part of an address or a cookie: all but letters, digits and
--- "-._~" is percent-encoded.
---@param s string
---@return string encoded
function text.url_encode(s) end

--- Whether a text has CJK ideographs.
---@param s string
---@return boolean has_cjk
function text.has_cjk(s) end

return text
