local tide = require "tests.lua.support.tide"

describe("web.csrf", function()
  local csrf
  local OWN = "https://Chat.Example.com/page"

  before_each(function()
    tide.install()
    csrf = require "web.csrf"
  end)

  it("writes origins as browsers do", function()
    assert.equal("https://a.b", csrf.origin("HTTPS://A.b:443/x?y#z"))
    assert.equal("http://a.b:443", csrf.origin("http://a.b:443"))
    assert.equal("http://[::1]:8080", csrf.origin("http://[::1]:8080/"))
    assert.equal("http://[::1]", csrf.origin("http://[::1]:80"))
    assert.is_nil(csrf.origin("null"))
  end)

  it("lets our own pages and non-browsers pass", function()
    assert.is_false(csrf.is_foreign(nil, nil, OWN))
    assert.is_false(csrf.is_foreign("https://chat.example.com", nil, OWN))
    assert.is_false(
      csrf.is_foreign("http://127.0.0.1:8080", "none", "http://127.0.0.1:8080")
    )
    assert.is_false(csrf.is_foreign(nil, "same-origin", OWN))
  end)

  it("believes same-origin behind a proxy that rewrites Host", function()
    assert.is_false(
      csrf.is_foreign("https://chat.test", "same-origin", "http://10.0.0.1:80")
    )
    assert.is_true(
      csrf.is_foreign("https://chat.test", "same-site", "http://10.0.0.1:80")
    )
  end)

  it("refuses the rest", function()
    for _, origin in ipairs({
      "null", "", "https://evil.example", "http://chat.example.com",
      "https://chat.example.com.evil.example", "https://chat.example.com:444",
    }) do
      assert.is_true(csrf.is_foreign(origin, nil, OWN), origin)
    end
    assert.is_true(csrf.is_foreign(nil, "cross-site", OWN))
    assert.is_true(csrf.is_foreign(nil, "same-site", OWN))
  end)
end)
