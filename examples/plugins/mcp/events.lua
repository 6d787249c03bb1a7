--- A stream of events, put together from pieces as they come. Of an event only
--- its data counts.

local M = {}

--- What is looked at: a message has few lines, and others before it are rare.
local LINES_MAX = 20000
local EVENTS_MAX = 1000

---@class mcp.Events
---@field pieces string[] of a line that has not ended
---@field data string[] lines of an event that has not ended
---@field lines integer
---@field events integer
---@field full boolean no more is looked at
local Events = {}
Events.__index = Events

---@return mcp.Events
function M.new()
  return setmetatable(
    { pieces = {}, data = {}, lines = 0, events = 0, full = false },
    Events
  )
end

--- The data of an event that has ended.
---@return string|nil
function Events:take()
  if #self.data == 0 then
    return nil
  end
  local data = table.concat(self.data, "\n")
  self.data = {}
  self.events = self.events + 1
  self.full = self.full or self.events >= EVENTS_MAX
  return data
end

---@param line string
---@return string|nil data of an event that ends with the line
function Events:take_line(line)
  self.lines = self.lines + 1
  self.full = self.full or self.lines >= LINES_MAX
  if line == "" then
    return self:take()
  elseif line:sub(1, 5) == "data:" then
    self.data[#self.data + 1] = line:sub(6)
  end
end

--- Adds a piece. Pieces of one line are joined once, when it ends: they may be
--- single bytes.
---@param piece string
---@param on_event fun(data: string): any called until it returns something
---@return any found what that was
function Events:add(piece, on_event)
  self.pieces[#self.pieces + 1] = piece
  if not piece:find("[\r\n]") then
    return nil
  end
  local text = table.concat(self.pieces)
  -- A line may end with CR LF, and the LF come later.
  local held = text:sub(-1) == "\r" and "\r" or ""
  text = text:sub(1, #text - #held):gsub("\r\n?", "\n")
  local at = 1
  for line, behind in text:gmatch("([^\n]*)\n()") do
    at = behind
    local data = self:take_line(line)
    local found = data and on_event(data)
    if found or self.full then
      return found
    end
  end
  self.pieces = { text:sub(at) .. held }
end

--- The end of the stream, which may be that of its last event, too.
---@param on_event fun(data: string): any
---@return any found
function Events:finish(on_event)
  return self:add("\n\n", on_event)
end

return M
