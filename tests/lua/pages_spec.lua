local tide = require "tests.lua.support.tide"

describe("web.pages", function()
  local pages, schema

  before_each(function()
    tide.install()
    pages = require "web.pages"
    schema = require "web.schema"
  end)

  local function numbered(query)
    return schema.check_texts(pages.numbered(20, 100), query, "en")
  end

  it("has the contract's defaults", function()
    assert.same({ page = 1, page_size = 20 }, numbered({}))
    assert.same(
      { cursor = 0, limit = 50, leaf = 0, around = 0, after = 0 },
      schema.check_texts(pages.cursor(), {}, "en")
    )
  end)

  it("falls back when a value is no number", function()
    for _, text in ipairs({ "", "x", "1.5", "1e9", "0x10", "一" }) do
      assert.same(
        { page = 1, page_size = 20 },
        numbered({ page = text, page_size = text })
      )
    end
  end)

  it("moves numbers into their bounds and tells those used", function()
    local args = numbered({ page = "-3", page_size = "1000" })
    assert.same({ page = 1, page_size = 100 }, args)
    args = numbered({ page = ("9"):rep(40), page_size = "0" })
    assert.same({ page = 1000000000, page_size = 1 }, args)
    assert.equal("integer", math.type(pages.offset(args)))
  end)

  it("counts pages", function()
    local args = { page = 2, page_size = 20 }
    assert.equal(20, pages.offset(args))
    assert.equal(0, pages.pagination(args, 0).total_pages)
    assert.equal(1, pages.pagination(args, 20).total_pages)
    assert.equal(2, pages.pagination(args, 21).total_pages)
    assert.same(
      { page = 2, page_size = 20, total = 21, total_pages = 2 },
      pages.pagination(args, 21)
    )
  end)
end)
