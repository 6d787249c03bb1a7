local tide = require "tests.lua.support.tide"

describe("models.api_secrets", function()
  local api_secrets

  before_each(function()
    tide.install({
      crypto = {
        seal = function(plain, bound)
          return bound .. "|" .. plain
        end,
        unseal = function(sealed, bound)
          if sealed:sub(1, #bound + 1) ~= bound .. "|" then
            return nil, { code = "secret_unreadable" }
          end
          return sealed:sub(#bound + 2)
        end,
      },
    })
    api_secrets = require "models.api_secrets"
  end)

  it("masks keys", function()
    assert.equal("sk-…wxyz", api_secrets.mask("sk-abcdefghijwxyz"))
    assert.equal("…wxyz", api_secrets.mask("gsk_abcdefghiwxyz"))
    assert.equal("…", api_secrets.mask("short"))
    assert.equal("sk-…", api_secrets.mask("sk-12345678"))
    assert.equal("…", api_secrets.mask(""))
  end)

  it("opens keys and headers of their own row only", function()
    local row = {
      user_id = 7,
      seal_salt = "salt",
      api_key_mask = "…",
      api_key_sealed = api_secrets.seal("first", 7, "salt"),
      more_keys = api_secrets.seal_keys({ "second", "third" }, 7, "salt"),
    }
    local headers = { ["X-B"] = "b", ["X-A"] = "a value with more" }
    row.headers = api_secrets.seal_headers(headers, nil, 7, "salt")
    assert.same({ "first", "second", "third" }, api_secrets.open_keys(row))
    assert.equal(3, api_secrets.count_keys(row))
    assert.same(headers, api_secrets.open_headers(row))
    row.user_id = 8
    assert.is_nil(api_secrets.open_keys(row))
    assert.is_nil(api_secrets.open_headers(row))
  end)

  it("keeps the value of a header whose mask comes back", function()
    local row = { user_id = 7, seal_salt = "salt" }
    row.headers =
      api_secrets.seal_headers({ ["X-A"] = "a secret value" }, nil, 7, "salt")
    local masks = api_secrets.masked_headers(row)
    assert.same({ ["X-A"] = "…alue" }, masks)
    assert.is_true(api_secrets.check_headers(masks, row, false, "en"))
    assert.is_nil(api_secrets.check_headers(masks, nil, false, "en"))
    row.headers = api_secrets.seal_headers(masks, row, 7, "salt")
    assert.same({ ["X-A"] = "a secret value" }, api_secrets.open_headers(row))
  end)
end)
