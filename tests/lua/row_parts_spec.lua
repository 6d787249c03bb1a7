local tide = require "tests.lua.support.tide"

describe("lib.row_parts", function()
  local parts, asked
  local SCHEMA = { type = "object", fields = {} }

  --- Of a list of 1 to 10, skipped from its beginning or from its end.
  local function query(sql, values)
    asked = { sql, table.unpack(values) }
    local limit, offset = values[#values - 1], values[#values]
    local before = sql == "list" and offset or 10 - offset - limit
    local rows = {}
    for i = before + 1, before + limit do
      rows[#rows + 1] = { id = i }
    end
    return rows
  end

  before_each(function()
    asked = nil
    tide.install({
      db = {
        query = query,
        json = function(sql, values, schema)
          assert.equal(SCHEMA, schema)
          local json = require "tide.json"
          return json.raw(json.encode(query(sql, values)))
        end,
      },
    })
    parts = require "lib.row_parts"
  end)

  local function page(limit, offset)
    local statements = { "list", "back" }
    local rows = parts.read(10, limit, offset, statements, nil, "value")
    local ids = {}
    for i, row in ipairs(rows) do
      ids[i] = row.id
    end
    return table.concat(ids, " ")
  end

  it("reads every page as the list has it", function()
    assert.equal("1 2 3", page(3, 0))
    assert.equal("4 5 6", page(3, 3))
    assert.equal("7 8 9", page(3, 6))
    assert.equal("10", page(3, 9))
    assert.equal("1 2 3 4 5 6 7 8 9 10", page(100, 0))
  end)

  it("skips the rows before a page or those behind it", function()
    page(3, 3)
    assert.same({ "list", "value", 3, 3 }, asked)
    page(3, 6)
    assert.same({ "back", "value", 3, 1 }, asked)
    page(3, 9)
    assert.same({ "back", "value", 1, 0 }, asked)
  end)

  it("asks for nothing behind the end", function()
    assert.equal("", page(3, 10))
    assert.equal("", page(3, 1000000000))
    assert.is_nil(asked)
  end)

  it("reads a page as JSON", function()
    local statements = { "list", "back" }
    local function text(limit, offset)
      local json = require "tide.json"
      local rows =
        parts.read(10, limit, offset, statements, SCHEMA, "value")
      return json.encode(rows), rows
    end
    assert.equal('[{"id":1},{"id":2}]', (text(2, 0)))
    local last, rows = text(2, 8)
    assert.equal('[{"id":9},{"id":10}]', last)
    assert.equal('{"id":9},{"id":10}', parts.items(rows))
    assert.same({ "back", "value", 2, 0 }, asked)
    assert.equal("[]", (text(2, 10)))
  end)

  local function cut(sizes)
    local rows = {}
    for i, size in ipairs(sizes) do
      rows[i] = { id = i, size = size }
    end
    local result = {}
    for first, last in parts.pieces(rows, 10) do
      result[#result + 1] = first .. "-" .. last
    end
    return table.concat(result, " ")
  end

  it("cuts pieces of bounded size", function()
    assert.equal("", cut({}))
    assert.equal("1-3", cut({ 4, 4, 2 }))
    assert.equal("1-2 3-3", cut({ 4, 6, 1 }))
    assert.equal("1-1 2-2 3-4", cut({ 11, 50, 0, 10 }))
    assert.equal("1-1 2-2", cut({ 0, 11 }))
  end)
end)
