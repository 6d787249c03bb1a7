require("tests.lua.support.tide").install()

local tool_calls = require "providers.tool_calls"

describe("providers.tool_calls", function()
  it("joins the pieces of several calls by their index", function()
    local calls = tool_calls.join(table.concat({
      '[{"index":1,"id":"b","function":{"name":"later"}}]',
      '[{"index":0,"id":"a","type":"function","function":'
        .. '{"name":"find","arguments":"{\\"q\\""}}]',
      '[{"index":0,"function":{"arguments":":1}"}},'
        .. '{"index":1,"function":{"arguments":"{}"}}]',
      "",
    }, "\n"))
    assert.same({
      {
        id = "a",
        type = "function",
        ["function"] = { name = "find", arguments = '{"q":1}' },
      },
      {
        id = "b",
        type = "function",
        ["function"] = { name = "later", arguments = "{}" },
      },
    }, calls)
  end)

  it("keeps what the provider wants back", function()
    local extra = '{"google":{"thought_signature":"S"}}'
    local calls = tool_calls.join(
      '[{"index":0,"id":"a","extra_content":' .. extra
        .. ',"function":{"name":"w","arguments":"{}"}}]\n'
    )
    assert.same(
      { google = { thought_signature = "S" } },
      calls[1].extra_content
    )
  end)

  it("is no field when there are none", function()
    assert.is_nil(tool_calls.field(""))
    assert.is_nil(tool_calls.field(nil))
    assert.equal(1, #tool_calls.field('[{"index":3}]\n'))
  end)
end)
