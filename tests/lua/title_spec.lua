local tide = require "tests.lua.support.tide"

describe("policy.title", function()
  local title

  before_each(function()
    tide.install()
    title = require "policy.title"
  end)

  it("names a new session after its model, in the reader's language", function()
    assert.equal("New chat · demo", title.placeholder("demo", "en"))
    assert.equal("新对话 · demo", title.placeholder("demo", "zh"))
  end)

  it("keeps a short message whole", function()
    assert.equal("Hello there", title.from_message("Hello there"))
    assert.equal(("潮"):rep(20), title.from_message(("潮"):rep(20)))
  end)

  it("cuts by characters, never inside one", function()
    assert.equal(
      ("潮"):rep(20) .. "…",
      title.from_message(("潮"):rep(21))
    )
    local cut = title.from_message(("𠮷"):rep(500))
    assert.equal(("𠮷"):rep(20) .. "…", cut)
  end)

  it("folds white space of all kinds", function()
    assert.equal("a b c", title.from_message("  a\r\n\tb \u{3000}\u{A0}c\n"))
    assert.equal("a b", title.from_message("a\0\27b"))
    assert.equal("a", title.from_message("\u{FEFF}a"))
  end)

  it("leaves no space before the dots", function()
    assert.equal(
      "1234567890123456789…",
      title.from_message("1234567890123456789 and more")
    )
  end)

  it("has nothing to say about an empty message", function()
    assert.is_nil(title.from_message(""))
    assert.is_nil(title.from_message(" \n\u{3000} "))
  end)
end)
