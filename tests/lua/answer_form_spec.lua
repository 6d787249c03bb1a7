local tide = require "tests.lua.support.tide"

describe("chat.answer_form", function()
  local form, json

  before_each(function()
    tide.install()
    form, json = require "chat.answer_form", require "tide.json"
  end)

  --- The JSON schema that a model is told.
  local function told(schema)
    local messages = form.instruct({}, schema)
    return json.decode(messages[1].content:match("schema:\n(.*)$"))
  end

  it("tells a schema as a JSON schema", function()
    assert.same({
      type = "object",
      required = { "name" },
      properties = {
        name = { type = "string", minLength = 1, maxLength = 9 },
        kind = { type = "string", enum = { "a", "b" } },
        count = { type = "integer", minimum = 0 },
        any = {},
        list = {
          type = "array",
          maxItems = 3,
          items = { type = "object", properties = {}, required = {} },
        },
      },
    }, told({
      fields = {
        { name = "name", type = "string", required = true, min = 1, max = 9 },
        { name = "kind", type = "string", enum = { "a", "b" } },
        { name = "count", type = "integer", min = 0 },
        { name = "any", type = "json" },
        { name = "list", type = "array", max = 3, items = { type = "object" } },
      },
    }))
  end)

  it("puts it behind the system prompt, and leaves the messages", function()
    local messages = {
      { role = "system", content = "Be brief." },
      { role = "user", content = "hi" },
    }
    local all = form.instruct(messages, { fields = {} })
    assert.equal(2, #all)
    assert.matches("^Be brief%.\n\nAnswer with one JSON", all[1].content)
    assert.equal("Be brief.", messages[1].content)
    assert.equal("hi", all[2].content)
    local parts = { { role = "system", content = { { type = "text" } } } }
    assert.equal(2, #form.instruct(parts, { fields = {} }))
  end)

  local CITY = {
    fields = { { name = "city", type = "string", required = true } },
  }

  it("reads an answer, also within a fence", function()
    for _, text in ipairs({
      '{"city":"Ahus","more":1}',
      ' \n{"city":"Ahus"}\n',
      '```json\n{"city":"Ahus"}\n```',
      '```\n{"city":"Ahus"}```\n',
    }) do
      local answer, err = form.read(text, CITY)
      assert.is_nil(err, text)
      assert.same({ city = "Ahus" }, answer, text)
    end
  end)

  it("refuses what is none, and says why", function()
    for text, reason in pairs({
      ["Ahus"] = ".",
      [""] = ".",
      ["[]"] = "object",
      ['{"city":'] = ".",
      ["{}"] = "city",
      ['{"city":3}'] = "city must be text",
    }) do
      local answer, err = form.read(text, CITY)
      assert.is_nil(answer, text)
      assert.equal("answer_malformed", err.code, text)
      assert.matches(reason, err.message, text)
    end
  end)
end)
