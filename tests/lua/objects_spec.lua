local tide = require "tests.lua.support.tide"

describe("web.objects", function()
  local objects

  before_each(function()
    tide.install()
    objects = require "web.objects"
  end)

  it("makes schema and presenter of one list of fields", function()
    local schema, present = objects.of_row({
      id = "integer",
      Title = { "string", "title" },
      tags = { objects.list({ type = "string" }), "tag_list" },
      large = "boolean",
    })
    assert.same({
      type = "object",
      fields = {
        { name = "Title", type = "string", column = "title" },
        { name = "id", type = "integer" },
        { name = "large", type = "boolean" },
        {
          name = "tags",
          type = "array",
          items = { type = "string" },
          column = "tag_list",
        },
      },
    }, schema)
    assert.same(
      { id = 1, Title = "t", tags = { "a" }, large = true },
      present({ id = 1, title = "t", tag_list = '["a"]', large = 2, no = 5 })
    )
    assert.same({ large = false }, present({ large = 0, tag_list = "[" }))
    assert.same({ tags = { "b" } }, present({ tag_list = { "b" } }))
  end)

  it("makes nulls, values by functions, and objects of the same row", function()
    local json = require "tide.json"
    local _, present = objects.of_row({
      at = { "string", keep_null = true },
      word = { "string", make = string.upper },
      none = {
        "string",
        "word",
        keep_null = true,
        make = function() end,
      },
      within = { (objects.of_row({ a = "integer", b = { "integer", "c" } })) },
    })
    assert.same(
      {
        at = "now",
        word = "TIDE",
        none = json.null,
        within = { a = 1, b = 2 },
      },
      present({ at = "now", word = "tide", a = 1, c = 2 })
    )
    assert.same(
      { at = json.null, none = json.null, within = {} },
      present({ word = "" })
    )
  end)

  it("refuses functions of a whole row", function()
    assert.has_error(function()
      objects.of_row({ large = { "boolean", function() end } })
    end, "large: its place in a row is a column's name, not a function "
      .. "(see `make`)")
  end)

  it("makes objects of any size", function()
    for count = 0, 20 do
      local fields, row = {}, {}
      for i = 1, count do
        fields["f" .. i], row["f" .. i] = "integer", i
      end
      local schema, present = objects.of_row(fields)
      assert.equal(count, #schema.fields)
      assert.same(row, present(row))
    end
  end)

  it("adds fields to a schema and leaves the first as it is", function()
    local first = objects.object({ b = "string" })
    local more = objects.with(first, { a = "integer" })
    assert.same({
      { name = "a", type = "integer" },
      { name = "b", type = "string" },
    }, more.fields)
    assert.equal(1, #first.fields)
  end)
end)

describe("lib.sql", function()
  it("has a place and a value for each column", function()
    tide.install()
    local sql, json = require "lib.sql", require "tide.json"
    local columns = { "a", "b", "c" }
    assert.equal(
      "a = COALESCE(?, a), b = COALESCE(?, b), c = COALESCE(?, c)",
      sql.changes(columns)
    )
    assert.equal("?, ?, ?", sql.places(3))
    assert.equal("?", sql.places(1))
    assert.same(
      { 1, json.null, false, 7, 8 },
      sql.values(columns, { a = 1, c = false }, 7, 8)
    )
  end)
end)
