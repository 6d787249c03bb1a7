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

---@param s string
---@return boolean
function text.valid(s) end

--- Whether the text has CJK ideographs.
---@param s string
---@return boolean
function text.has_cjk(s) end

return text
