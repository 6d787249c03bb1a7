local tide = require "tests.lua.support.tide"

describe("schema_check", function()
  local schema_check

  before_each(function()
    tide.install()
    schema_check = require "checks.schema_check"
  end)

  local function handler() end

  --- What is said of a route with this.
  local function said(part, schema, path)
    local route = { method = "GET", path = path or "/a", handler = handler }
    route[part] = schema
    local wrong = schema_check.check({ route })
    if wrong[1] then
      assert.equal(handler, wrong[1].at)
    end
    return wrong[1] and wrong[1].message
  end

  it("finds nothing wrong with what ships", function()
    assert.same({}, schema_check.check(require("app").routes))
  end)

  it("finds what is no schema", function()
    local cases = {
      { 5, "a schema is a table" },
      { { fields = { 5 } }, "field 1 has no name" },
      { { fields = { { type = "string" } } }, "field 1 has no name" },
      { { fields = { { name = "n" } } }, "n: unknown type 'nil'" },
      {
        { fields = { { name = "n", type = "strin" } } },
        "n: unknown type 'strin'",
      },
      {
        { fields = { { name = "n", type = "array" } } },
        "n: items: a schema is a table, not a nil",
      },
      {
        { fields = { { name = "n", type = "string", max = "5" } } },
        "n: max must be an integer",
      },
      {
        { fields = { { name = "n", type = "string", enum = "a" } } },
        "n: enum must be a list",
      },
      {
        {
          fields = {
            { name = "o", type = "object", fields = { { name = "n" } } },
          },
        },
        "o: n: unknown type 'nil'",
      },
    }
    for _, case in ipairs(cases) do
      assert.equal("GET /a: request: " .. case[2], said("request", case[1]))
    end
    assert.matches(
      "^GET /a: query: n: pattern: ",
      said("query", {
        fields = { { name = "n", type = "string", pattern = "[" } },
      })
    )
  end)

  it("finds parameters that are not declared", function()
    assert.equal(
      "GET /a/:id: params: 'id' of the path is not declared; params = "
        .. '{ fields = { { name = "id", type = "string" } } }',
      said("query", nil, "/a/:id")
    )
    assert.is_nil(said("params", {
      fields = { { name = "id", type = "integer" } },
    }, "/a/:id"))
  end)
end)
