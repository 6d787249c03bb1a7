---@meta tide.text

---@class tide.text
local text = {}

---@param s string valid UTF-8
---@return integer characters
function text.count(s) end

--- The first n characters, never cutting one.
---@param s string valid UTF-8
---@param n integer
---@return string
function text.prefix(s, n) end

--- About how many tokens a model counts: an ideograph, kana or hangul syllable
--- is one, other letters two a token, ASCII characters four.
---@param s string
---@return integer
function text.tokens(s) end

---@param s string
---@return boolean
function text.valid(s) end

--- Whether the text has CJK ideographs.
---@param s string
---@return boolean
function text.has_cjk(s) end

return text
