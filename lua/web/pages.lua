--- Paging, once for all lists: the schemas of its query arguments and the
--- answer's `pagination`. Values that are no number fall back to the defaults,
--- others are moved into their bounds and echoed as used.

local objects = require "web.objects"

local M = {}

M.pagination_schema = objects.object({
  page = "integer",
  page_size = "integer",
  total = "integer",
  total_pages = "integer",
  capped = "boolean", -- only when there are more than `total`
})

--- Over this no list has pages; keeps (page - 1) * page_size exact.
local MAX_PAGE = 1000000000

---@param page? integer defaults
---@param size? integer
---@param max_size integer
---@return Schema
local function numbers(page, size, max_size)
  return {
    type = "object",
    fields = {
      {
        name = "page",
        type = "integer",
        default = page,
        min = 1,
        max = MAX_PAGE,
        clamp = true,
      },
      {
        name = "page_size",
        type = "integer",
        default = size,
        min = 1,
        max = max_size,
        clamp = true,
      },
    },
  }
end

--- The query of a list in numbered pages.
---@param size integer default page size
---@param max_size integer
---@return Schema
function M.numbered(size, max_size)
  return numbers(1, size, max_size)
end

--- The same for a list that comes whole unless the client asks for a page.
---@param max_size integer
---@return Schema
function M.optional(max_size)
  return numbers(nil, nil, max_size)
end

--- An id of a row in a query.
---@param name string
---@return Schema
local function id(name)
  return {
    name = name,
    type = "integer",
    default = 0,
    min = 0,
    max = 1 << 53,
    clamp = true,
  }
end

--- The query of a list that is a path of a tree, which ends in `leaf` (an id; 0
--- = the newest message). A page goes back from `cursor`, lies `around` an id,
--- or begins `after` one (0 = not given).
---@return Schema
function M.cursor()
  return {
    type = "object",
    fields = {
      id("cursor"),
      {
        name = "limit",
        type = "integer",
        default = 50,
        min = 1,
        max = 100,
        clamp = true,
      },
      id("leaf"),
      id("around"),
      id("after"),
    },
  }
end

--- Rows to skip for a page.
---@param args {page: integer, page_size: integer}
---@return integer
function M.offset(args)
  return (args.page - 1) * args.page_size
end

--- The `pagination` object of the contract.
---@param args {page: integer, page_size: integer}
---@param total integer rows in all
---@param capped? boolean true = the list is cut off there, more exist
---@return {page: integer, page_size: integer, total: integer,
--- total_pages: integer, capped?: true}
function M.pagination(args, total, capped)
  return {
    page = args.page,
    page_size = args.page_size,
    total = total,
    total_pages = (total + args.page_size - 1) // args.page_size,
    capped = capped or nil,
  }
end

return M
