local tide = require "tests.lua.support.tide"

describe("web.pipeline", function()
  local pipeline, user

  before_each(function()
    user = {
      id = 7,
      username = "alice",
      email = "",
      role = "user",
      token_version = 1,
      created_at = "2026-01-01T00:00:00.000000Z",
    }
    local crypto = {
      token_verify = function(token)
        if token == "good" then
          return { sub = 7, ver = 1, jti = "j" }
        end
        return nil, { code = token == "old" and "token_expired"
          or "invalid_token", status = 401 }
      end,
    }
    local db = {
      one = function(sql, args)
        assert.truthy(sql:find("disabled = 0", 1, true))
        assert.truthy(sql:find("token_version = ?2", 1, true))
        assert.truthy(sql:find("surviving_jti = ?3", 1, true))
        assert.truthy(sql:find("revoked_tokens", 1, true))
        assert.same({ 7, 1, "j" }, args)
        return user
      end,
    }
    tide.install({ crypto = crypto, db = db }, {
      public_url = "https://chat.example.com",
      ["cors.origins"] = { "https://app.example.org" },
    })
    pipeline = require "web.pipeline"
  end)

  local function run(route, spec)
    route.handler = route.handler or function(req)
      return { json = { user = req.user, args = req.args, body = req.body,
        params = req.params, query = req.query } }
    end
    local response, err = pipeline.run(route, tide.request(spec))
    return response and response.json, err and err.code
  end

  local BEARER = { Authorization = "Bearer good" }

  it("finds the user by header, else by cookie", function()
    local route = { auth = "user" }
    assert.equal(7, run(route, { headers = BEARER }).user.id)
    local json = run(route, { headers = { Authorization = "bearer  good" } })
    assert.equal(7, json.user.id)
    assert.equal(7, run(route, { cookies = { access_token = "good" } }).user.id)
  end)

  it("never looks at the cookie when there is a header", function()
    local _, code = run({ auth = "user" }, {
      headers = { Authorization = "Basic eA==" },
      cookies = { access_token = "good" },
    })
    assert.equal("unauthorized", code)
  end)

  it("refuses who is not known", function()
    local route = { auth = "user" }
    local function code_of(token)
      local headers = { Authorization = "Bearer " .. token }
      return select(2, run(route, { headers = headers }))
    end
    assert.equal("unauthorized", select(2, run(route, {})))
    local empty = { cookies = { access_token = "" } }
    assert.equal("unauthorized", select(2, run(route, empty)))
    assert.equal("invalid_token", code_of("bad"))
    assert.equal("token_expired", code_of("old"))
    user = nil -- disabled, revoked, or another token_version
    assert.equal("invalid_token", code_of("good"))
  end)

  it("takes API keys only where the route says so", function()
    local function code_of(route, token)
      local headers = { Authorization = "Bearer " .. token }
      return select(2, run(route, { headers = headers }))
    end
    local accepting = { auth = "user", api_keys = true }
    local refusing = { auth = "user" }
    assert.equal("api_key_not_accepted", code_of(refusing, "sk-tide-x"))
    assert.equal("invalid_api_key", code_of(accepting, "sk-tide-x"))
    -- Another service's key is no login that is over.
    assert.equal("invalid_api_key", code_of(accepting, "sk-proj-x"))
    assert.equal("invalid_token", code_of(accepting, "a.b.bad"))
    assert.equal("invalid_token", code_of(refusing, "sk-proj-x"))
  end)

  it("lets only administrators in where it says so", function()
    local route = { auth = "admin" }
    assert.equal("forbidden", select(2, run(route, { headers = BEARER })))
    user.role = "admin"
    assert.equal(7, run(route, { headers = BEARER }).user.id)
  end)

  it("refuses unsafe methods of other sites under cookie auth", function()
    local function code_of(method, headers, is_listed)
      return select(2, run({ auth = "user" }, {
        method = method,
        headers = headers,
        from_listed_origin = is_listed,
        cookies = { access_token = "good" },
      }))
    end
    local evil = { Origin = "https://evil.example" }
    assert.equal("csrf", code_of("POST", evil))
    assert.equal("csrf", code_of("DELETE", evil))
    assert.equal("csrf", code_of("POST", { ["Sec-Fetch-Site"] = "same-site" }))
    assert.is_nil(code_of("GET", evil))
    assert.is_nil(code_of("POST", {}))
    assert.is_nil(code_of("POST", { Origin = "https://chat.example.com" }))
    local listed = { Origin = "https://app.example.org" }
    assert.equal("csrf", code_of("POST", listed))
    assert.is_nil(code_of("POST", listed, true)) -- the core has compared it
    local bearer = { Origin = evil.Origin, Authorization = "Bearer good" }
    assert.is_nil(code_of("POST", bearer))
  end)

  it("takes JSON bodies only, and nothing as {}", function()
    local route = {
      auth = "none",
      request = { fields = { { name = "a", type = "integer" } } },
    }
    local function send(body)
      local json, code = run(route, { body = body })
      return code or json.body
    end
    assert.same({}, send(""))
    assert.same({ a = 1 }, send('{"a":1}'))
    assert.same({ a = 1 }, send('{"a":1,"b":2}'))
    assert.equal("invalid_json", send("{"))
    assert.equal("invalid_field", send("[1]"))
    assert.equal("invalid_field", send('{"a":"1"}'))
  end)

  it("joins path parameters and query arguments, checked", function()
    local route = {
      auth = "none",
      params = { fields = { { name = "id", type = "integer" } } },
      query = {
        fields = {
          { name = "id", type = "string" },
          { name = "n", type = "integer", default = 5, clamp = true },
        },
      },
    }
    local json = run(route, {
      params = { id = "12" },
      query = { id = "x", n = "y", other = "z" },
    })
    assert.same({ id = 12, n = 5 }, json.args)
    assert.same({ id = 12 }, json.params)
    assert.same({ id = "x", n = 5, other = "z" }, json.query)
    local _, code = run(route, { params = { id = "x" } })
    assert.equal("invalid_field", code)
  end)

  it("gives hooks plain tables where the core has written a list", function()
    local json = require "tide.json"
    local seen
    require("hooks").on_response = function(_, _, response)
      seen = response.json
      return response
    end
    local route = {
      auth = "none",
      handler = function()
        return { json = { data = json.raw('[{"id":1,"x":null}]'), n = 1 } }
      end,
    }
    local expected = { data = { { id = 1, x = json.null } }, n = 1 }
    assert.same(expected, (run(route, {})))
    assert.same(expected, seen)
    route.handler = function()
      return { json = json.raw("[]") }
    end
    assert.is_true(json.is_array((run(route, {}))))
    require("hooks").on_response = nil
    assert.is_true(json.is_raw((run(route, {}))))
  end)

  it("hands a handler's error on", function()
    local route = {
      auth = "none",
      handler = function()
        return nil, { code = "api_not_found" }
      end,
    }
    assert.equal("api_not_found", select(2, run(route, {})))
  end)
end)
