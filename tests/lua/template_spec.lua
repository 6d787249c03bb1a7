--- Templates (core/tide/template.c): what tags mean, what is escaped, and which
--- texts are none.

describe("tide.template", function()
  local template = require "tide.template"
  local json = require "tide.json"

  local function render(text, values)
    return template.new(text):render(values)
  end

  it("escapes what it puts in, unless it is told not to", function()
    assert.equal("a &lt;&amp;&gt;&quot;&#39;x c",
      render("a {{b}} c", { b = "<&>\"'x" }))
    assert.equal("<i><i>", render("{{{b}}}{{{ b }}}", { b = "<i>" }))
    assert.equal("潮\0&lt;\0", render("潮\0{{a}}", { a = "<\0" }))
    assert.equal("{{b}}", render("{{a}}", { a = "{{b}}", b = 1 }))
  end)

  it("shows texts, numbers and booleans, and nothing for nothing", function()
    assert.equal("1|||1.5|false||", render(
      "{{a.b.c}}|{{a.x.y}}|{{z}}|{{n}}|{{t}}|{{s.x}}|{{null}}",
      { a = { b = { c = 1 } }, n = 1.5, t = false, s = "s", null = json.null }
    ))
    assert.equal("", render("{{a}}", setmetatable({}, {
      __index = function() error("is called") end,
    })))
  end)

  it("shows a section for each item, or once", function()
    assert.equal("a,&lt;,3,",
      render("{{#l}}{{.}},{{/l}}", { l = { "a", "<", 3 } }))
    assert.equal("1o;No;", render("{{#l}}{{n}}{{o}};{{/l}}",
      { o = "o", n = "N", l = { { n = 1 }, {} } }))
    assert.equal("12", render("{{#a}}{{#b}}{{x}}{{/b}}{{/a}}",
      { a = { { b = { { x = 1 }, { x = 2 } } }, { b = false } } }))
    assert.equal("ac",
      render("{{! no {tag} }}a{{ #b }}c{{/ b }}", { b = true }))
    local either = "{{#m}}x{{/m}}{{^m}}none{{/m}}"
    for _, value in ipairs({ 0, "", true, { x = 1 }, { 1 } }) do
      assert.equal("x", render(either, { m = value }))
    end
    for _, value in ipairs({ false, {}, json.null, json.array() }) do
      assert.equal("none", render(either, { m = value }))
    end
    assert.equal("none", render(either, {}))
  end)

  it("leaves all other text as it is", function()
    assert.equal("", render("", {}))
    assert.equal("{ {a} }}", render("{ {a} }}", { a = 1 }))
  end)

  it("tells what is no template, with its line", function()
    local function wrong(text, message, values)
      local ok, err = pcall(render, text, values or {})
      assert.is_false(ok)
      assert.truthy(err:find(message, 1, true), err)
    end
    wrong("a\n{{b", "line 2: the tag does not end: 'b'")
    wrong("{{{b}}", "line 1: the tag does not end: '{b}}'")
    wrong("\n\n{{#a}}\n", "line 3: the section does not end: 'a'")
    wrong("{{#a}}{{#b}}{{/a}}{{/b}}", "line 1: no section begins for 'a'")
    wrong("{{/a}}", "line 1: no section begins for 'a'")
    local tags = { "", "> part", "=<% %>=", "a b", "a..b", "a.", "& a" }
    for _, tag in ipairs(tags) do
      wrong("{{" .. tag .. "}}", "there is no such tag as '" .. tag .. "'")
    end
    wrong(("{{#a}}"):rep(33), "nested too deep at 'a'")
    wrong("{{#a}}\n{{t}}{{/a}}", "line 2: 't' is a table",
      { a = true, t = { x = 1 } })
    local text = ("x"):rep(1 << 20)
    wrong(("{{a}}"):rep(17), "more than 16 MiB", { a = text })
  end)
end)
