local tide = require "tests.lua.support.tide"

describe("models.user_apis", function()
  local user_apis

  before_each(function()
    tide.install({
      llm = {
        check_url = function(url)
          if url:find("^https://") then
            return true
          end
          return nil, { code = "address_not_allowed" }
        end,
      },
    })
    user_apis = require "models.user_apis"
  end)

  it("takes addresses that a path can be appended to", function()
    assert.is_true(user_apis.check_base_url(""))
    assert.is_true(user_apis.check_base_url("https://a.example/v1"))
    local function code_of(url)
      return select(2, user_apis.check_base_url(url)).code
    end
    assert.equal("invalid_url", code_of("https://a.example/v1?x=1"))
    assert.equal("invalid_url", code_of("https://a.example/#"))
    assert.equal("invalid_url", code_of("https://a.example/ x"))
    assert.equal("address_not_allowed", code_of("http://10.0.0.1"))
  end)
end)
