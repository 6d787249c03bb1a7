local tide = require "tests.lua.support.tide"

describe("web.schema", function()
  local schema, json

  before_each(function()
    tide.install()
    schema = require "web.schema"
    json = require "tide.json"
  end)

  --- Checks a JSON text against fields; returns value, code, field.
  local function check(fields, text, language)
    local value, err =
      schema.check({ fields = fields }, json.decode(text), language or "en")
    return value, err and err.code, err and err.args.field, err and err.args
  end

  local NAME = {
    { name = "name", type = "string", required = true, min = 3, max = 5 },
  }

  it("returns declared fields only", function()
    assert.same({ name = "abc" }, (check(NAME, '{"name":"abc","x":1}')))
  end)

  it("keeps what is not declared where the schema is open", function()
    local open = { open = true, fields = NAME }
    local text = '{"name":"abc","x":{"y":[1]},"z":null}'
    local checked = schema.check(open, json.decode(text), "en")
    assert.same({ name = "abc", x = { y = { 1 } }, z = json.null }, checked)
    local _, err = schema.check(open, json.decode('{"x":1}'), "en")
    assert.equal("missing_field", err.code)
  end)

  it("tells mistakes in the JSON as the core does", function()
    local body, err = schema.read({ fields = NAME },
      tide.request({ body = '{"name":"abc"' }))
    assert.is_nil(body)
    assert.equal("invalid_json", err.code)
    body = schema.read({ fields = { NAME[1] } },
      tide.request({ body = '{"name":"abc","x":[1,2]}' }))
    assert.same({ name = "abc" }, body)
    body, err = schema.read({ fields = NAME, once = true },
      tide.request({ body = '{"name":"abc","name":"abd"}' }))
    assert.is_nil(body)
    assert.equal("name", err.args.field)
    assert.equal("is given twice", err.args.reason)
  end)

  it("takes a text or a list of objects as a message's content", function()
    local content = { name = "content", type = "parts", keep_null = true }
    local function read(text)
      local value, err = schema.check({ open = true, fields = { content } },
        json.decode(text), "en")
      return value and value.content, err and err.args.field
    end
    assert.equal("a", read('{"content":"a"}'))
    assert.same({ { type = "text" } }, read('{"content":[{"type":"text"}]}'))
    assert.equal(json.null, read('{"content":null}'))
    assert.is_nil(read("{}"))
    assert.equal("content[2]", select(2, read('{"content":[{"a":1},5]}')))
    assert.equal("content[1]", select(2, read('{"content":[[1]]}')))
    assert.equal("content", select(2, read('{"content":5}')))
    assert.equal("content", select(2, read('{"content":{"a":1}}')))
  end)

  it("takes null and an empty required text as missing", function()
    for _, text in ipairs({ "{}", '{"name":null}', '{"name":""}' }) do
      local _, code, field = check(NAME, text)
      assert.equal("missing_field", code)
      assert.equal("name", field)
    end
  end)

  it("counts characters, not bytes", function()
    assert.same({ name = "潮聊好" }, (check(NAME, '{"name":"潮聊好"}')))
    local _, code = check(NAME, '{"name":"潮聊"}')
    assert.equal("invalid_field", code)
    _, code = check(NAME, '{"name":"潮聊潮聊潮聊"}')
    assert.equal("invalid_field", code)
  end)

  it("tells what is wrong in the reader's language", function()
    local _, _, _, args = check(NAME, '{"name":"ab"}', "en")
    assert.equal("must have at least 3 characters", args.reason)
    _, _, _, args = check(NAME, '{"name":"ab"}', "zh")
    assert.equal("至少需要 3 个字符", args.reason)
  end)

  it("refuses wrong JSON types", function()
    local types = {
      string = { "1", "true", "[]", "{}" },
      integer = { '"1"', "true", "1.5", "[]", "{}" },
      boolean = { '"true"', "1", "[]" },
      array = { '"a"', "1", "true", '{"a":1}' },
      object = { '"a"', "1", "true", "[1]" },
    }
    for kind, texts in pairs(types) do
      local fields = {
        { name = "x", type = kind, items = { type = "integer" } },
      }
      for _, text in ipairs(texts) do
        local _, code, field = check(fields, '{"x":' .. text .. "}")
        assert.equal("invalid_field", code, kind .. " took " .. text)
        assert.equal("x", field)
      end
    end
  end)

  it("wants an object as the body", function()
    for _, text in ipairs({ "[]", "[1]", "1", '"a"', "null", "true" }) do
      local _, code, field = check(NAME, text)
      assert.equal("invalid_field", code)
      assert.equal("body", field)
    end
  end)

  it("names the place in lists and objects", function()
    local fields = {
      { name = "ids", type = "array", max = 3, items = { type = "integer" } },
      {
        name = "o",
        type = "object",
        fields = { { name = "p", type = "string", required = true } },
      },
    }
    local _, _, field = check(fields, '{"ids":[1,"a"]}')
    assert.equal("ids[2]", field)
    _, _, field = check(fields, '{"ids":[1,2,3,4]}')
    assert.equal("ids", field)
    _, _, field = check(fields, '{"o":{}}')
    assert.equal("o.p", field)
    assert.same({ ids = { 1, 2 } }, (check(fields, '{"ids":[1,2]}')))
    assert.same({ ids = {} }, (check(fields, '{"ids":[]}')))
  end)

  it("knows patterns, choices, defaults, aliases and empty texts", function()
    local fields = {
      { name = "id", type = "string", pattern = "^%w+$" },
      { name = "role", type = "string", enum = { "a", "b" }, default = "a" },
      { name = "base_url", type = "string", aliases = { "BaseUrl" } },
      { name = "key", type = "string", empty_is_absent = true },
    }
    local value = check(fields, '{"id":"x1","BaseUrl":"u","key":""}')
    assert.same({ id = "x1", role = "a", base_url = "u" }, value)
    assert.same({ role = "b", base_url = "" },
      (check(fields, '{"role":"b","base_url":"","BaseUrl":"u"}')))
    local _, _, _, args = check(fields, '{"role":"c"}')
    assert.equal("must be one of: a, b", args.reason)
    local _, code = check(fields, '{"id":"a b"}')
    assert.equal("invalid_field", code)
  end)

  it("reads numbers from texts, exactly", function()
    local fields = { { name = "id", type = "integer", min = 1 } }
    local function id(text)
      local value, err =
        schema.check_texts({ fields = fields }, { id = text }, "en")
      return value and value.id or err.code
    end
    assert.equal(12, id("12"))
    assert.equal(1 << 53, id("9007199254740992"))
    for _, text in ipairs({ "0", "-1", "1.0", "1e3", "0x10", " 1", "a" }) do
      assert.equal("invalid_field", id(text), text)
    end
  end)

  it("refuses texts that are no UTF-8", function()
    local fields = { { name = "name", type = "string" } }
    local _, err =
      schema.check_texts({ fields = fields }, { name = "\xff" }, "en")
    assert.equal("invalid_field", err.code)
  end)

  --- Reads a text by a schema of the field v; the value, or the refusal's
  --- field and reason.
  local function read(field, text)
    local core = require "tide.schema"
    field.name = "v"
    local value, refusal = core.read({ fields = { field } }, text)
    if value then
      return value.v
    end
    if refusal.code == "invalid_json" then
      return nil, nil, refusal.code
    end
    return nil, refusal.field, refusal.reason or refusal.message
  end

  it("takes numbers with and without a fraction", function()
    local number = { type = "number", min = 0, max = 2 }
    assert.equal(0.5, read(number, '{"v":0.5}'))
    assert.equal(2, read(number, '{"v":2}'))
    assert.same({ nil, "v", "too_large" }, { read(number, '{"v":2.001}') })
    assert.same({ nil, "v", "too_small" }, { read(number, '{"v":-1e-9}') })
    assert.same({ nil, "v", "must_be_number" }, { read(number, '{"v":"1"}') })
    local moved =
      { type = "number", min = 0, max = 2, clamp = true, default = 1 }
    assert.equal(2, read(moved, '{"v":7.5}'))
    assert.equal(1, read(moved, '{"v":"x"}'))
  end)

  it("reads maps, whose names are the client's", function()
    local map = {
      type = "map",
      max = 2,
      items = {
        type = "object",
        fields = { { name = "n", type = "integer" } },
      },
    }
    assert.same({ a = { n = 1 }, ["b.c"] = {} },
      read(map, '{"v":{"a":{"n":1,"x":2},"b.c":{}}}'))
    assert.same({ a = { n = 2 } },
      read(map, '{"v":{"a":{"n":1},"a":{"n":2}}}'))
    assert.same({}, read(map, '{"v":{"b":null}}'))
    assert.same({ nil, "v.b.n", "must_be_integer" },
      { read(map, '{"v":{"a":{},"b":{"n":"1"}}}') })
    assert.same({ nil, "v", "too_many" },
      { read(map, '{"v":{"a":{},"b":{},"c":{}}}') })
    assert.same({ nil, "v", "must_be_object" }, { read(map, '{"v":[]}') })
    local _, field = read({ type = "map", items = { type = "integer" } },
      '{"v":{"' .. ("潮"):rep(100) .. '":""}}')
    assert.equal("v." .. ("潮"):rep(60), field)
    local _, _, reason = read(map, '{"v":{"a":{}')
    assert.equal("invalid_json", reason)
  end)

  it("takes the first of several forms that fits", function()
    local point = {
      type = "object",
      fields = { { name = "x", type = "integer", required = true } },
    }
    local size = {
      type = "object",
      fields = { { name = "w", type = "integer", required = true } },
    }
    local forms = {
      type = "one_of",
      one_of = {
        { type = "string", max = 3 },
        { type = "array", items = { type = "integer" } },
        point,
        size,
      },
    }
    assert.equal("abc", read(forms, '{"v":"abc"}'))
    assert.same({ 1, 2 }, read(forms, '{"v":[1,2]}'))
    assert.same({ x = 1 }, read(forms, '{"v":{"x":1,"w":2}}'))
    assert.same({ w = 2 }, read(forms, '{"v":{"x":"1","w":2}}'))
    assert.same({ nil, "v", "too_long" }, { read(forms, '{"v":"abcd"}') })
    assert.same({ nil, "v[2]", "must_be_integer" },
      { read(forms, '{"v":[1,""]}') })
    assert.same({ nil, "v", "no_form_fits" }, { read(forms, '{"v":{}}') })
    assert.same({ nil, "v", "no_form_fits" }, { read(forms, '{"v":true}') })
    local _, _, reason = read(forms, '{"v":{"w":2}')
    assert.equal("invalid_json", reason)
    local list = { type = "array", items = forms }
    assert.same({ "a", { x = 1 } }, read(list, '{"v":["a",{"x":1}]}'))
  end)

  it("asks functions of its own last", function()
    local seen = {}
    local function even(value)
      seen[#seen + 1] = value
      return value % 2 == 1 and "must be even" or nil
    end
    local list = {
      type = "array",
      items = { type = "integer", check = even, max = 8 },
      check = function(values)
        return #values > 2 and "is too much" or nil
      end,
    }
    assert.same({ 2, 4 }, read(list, '{"v":[2,4]}'))
    assert.same({ nil, "v[2]", "must be even" }, { read(list, '{"v":[2,3]}') })
    assert.same({ nil, "v", "is too much" }, { read(list, '{"v":[2,2,2]}') })
    seen = {}
    assert.same({ nil, "v[2]", "too_large" }, { read(list, '{"v":[2,9]}') })
    assert.same({}, seen, "not before all else fits")
    assert.is_nil(read(list, "{}"))
    local map = { type = "map", items = { type = "integer", check = even } }
    assert.same({ nil, "v.a", "must be even" }, { read(map, '{"v":{"a":1}}') })
    local range = {
      fields = {
        { name = "from", type = "integer" },
        { name = "to", type = "integer", default = 0 },
      },
      check = function(value)
        return value.from > value.to and "ends before it begins" or nil
      end,
    }
    local _, err = schema.read(range, tide.request({ body = '{"from":1}' }))
    assert.same({ field = "body", reason = "ends before it begins" }, err.args)
    assert.has_error(function()
      read({ type = "integer", check = function() return true end }, '{"v":1}')
    end)
  end)
end)
