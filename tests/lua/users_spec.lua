local tide = require "tests.lua.support.tide"

describe("account.users", function()
  local users, row, verified

  before_each(function()
    verified = {}
    tide.install({
      db = {
        one = function(_, values)
          return values[1] == "massy" and row or nil
        end,
      },
      crypto = {
        password_verify = function(hash, password)
          verified[#verified + 1] = { hash = hash, password = password }
          return hash ~= nil and password == "right"
        end,
      },
    })
    users = require "account.users"
    row = { id = 1, username = "massy", password_hash = "H", disabled = 0 }
  end)

  it("works as much for an unknown name as for a wrong password", function()
    local _, unknown = users.log_in("nobody", "wrong")
    assert.same({ { hash = nil, password = "wrong" } }, verified)
    verified = {}
    local _, wrong = users.log_in("massy", "wrong")
    assert.same({ { hash = "H", password = "wrong" } }, verified)
    assert.equal("invalid_credentials", unknown.code)
    assert.same(wrong, unknown)
  end)

  it("tells that an account is disabled to its owner only", function()
    row.disabled = 1
    local _, wrong = users.log_in("massy", "wrong")
    assert.equal("invalid_credentials", wrong.code)
    local _, right = users.log_in("massy", "right")
    assert.equal("account_disabled", right.code)
    assert.equal(2, #verified)
  end)
end)
