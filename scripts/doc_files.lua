-- Puts files of this repository into the pages that show them, so that a page
-- never shows anything but what is there and tested.
--
-- usage: lua5.4 scripts/doc_files.lua [--check] PAGE...
--
-- A page has a line "<!-- file: PATH -->"; the block after it is the file. With
-- --check nothing is written: the script fails when a page shows another text.

local check = arg[1] == "--check"
local failed = false

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function block_of(path)
  local language = path:match("%.(%w+)$")
  return ("```%s\n%s```\n"):format(language, read(path))
end

--- The page with the files of today. A block ends at the first line of three
--- backticks, which no file may have.
local function with_files(page)
  local mark = "(<!%-%- file: ([^%s]+) %-%->\n)(\n?)```%w+\n.-```\n"
  return (page:gsub(mark, function(line, path, gap)
    return line .. gap .. block_of(path)
  end))
end

for i = check and 2 or 1, #arg do
  local path = arg[i]
  local page = read(path)
  local fresh = with_files(page)
  local _, marks = page:gsub("<!%-%- file: ", "")
  local _, blocks = page:gsub("<!%-%- file: [^%s]+ %-%->\n\n?```%w+\n", "")
  if marks ~= blocks then
    print(path .. ': a line "<!-- file: PATH -->" has no block after it')
    failed = true
  elseif page ~= fresh and check then
    print(path .. ": shows files as they were; scripts/doc_files.lua renews it")
    failed = true
  elseif page ~= fresh then
    local file = assert(io.open(path, "wb"))
    file:write(fresh)
    file:close()
  end
end
os.exit(not failed)
